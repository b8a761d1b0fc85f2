"""Hardware integers ↔ physical units (docs/formats.md, "Scales")."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggers.events import packing, scales
from triggers.events.scales import Scale

ALL_SCALES = {name: value for name, value in vars(scales).items() if isinstance(value, Scale)}


@pytest.mark.parametrize("scale", ALL_SCALES.values(), ids=ALL_SCALES)
def test_every_index_survives_the_way_through_physical_units(scale: Scale) -> None:
    indices = np.arange(scale.lowest, scale.highest + 1)
    assert np.array_equal(scale.index(scale.lower_edge(indices)), indices)
    assert np.array_equal(scale.index(scale.centre(indices)), indices)


@pytest.mark.parametrize("scale", ALL_SCALES.values(), ids=ALL_SCALES)
@given(part=st.floats(0.001, 0.999), data=st.data())
def test_a_value_is_inside_its_bin(scale: Scale, part: float, data: st.DataObject) -> None:
    index = data.draw(st.integers(scale.lowest, scale.highest))
    assert scale.index(scale.lower_edge(index) + part * scale.step) == index


@pytest.mark.parametrize(
    ("scale", "index", "lower_edge"),
    [
        (scales.EG_ET, 511, 255.5),
        (scales.JET_ET, 61, 30.5),
        (scales.SUM_ET, 4095, 2047.5),
        (scales.MUON_PT, 1, 0.0),
        (scales.MUON_PT, 10, 4.5),
        (scales.MUON_PT_2015, 9, 4.5),
        (scales.MUON_PT_UNCONSTRAINED, 1, 0.0),
        (scales.MUON_PT_UNCONSTRAINED, 4, 3.0),
        (scales.CALO_ETA, -115, -5.0025),
        (scales.CALO_ETA, 0, 0.0),
        (scales.MUON_ETA, 0, -0.0054375),
        (scales.CALO_PHI, 72, math.pi),
        (scales.MUON_PHI, 288, math.pi),
        (scales.CICADA_SCORE, 0x0180, 1.5),
    ],
)
def test_bin_edges(scale: Scale, index: int, lower_edge: float) -> None:
    assert scale.lower_edge(index) == pytest.approx(lower_edge, abs=1e-12)


def test_muon_eta_bins_are_centred_and_calorimeter_bins_are_not() -> None:
    assert scales.MUON_ETA.centre(159) == pytest.approx(159 * 0.010875)
    assert scales.CALO_ETA.centre(159 // 4) == pytest.approx(39.5 * 0.0435)


def test_energies_saturate_and_angles_wrap() -> None:
    assert scales.EG_ET.index([1e9, -3.0]).tolist() == [511, 0]
    assert scales.CALO_PHI.index([-0.01, 2 * math.pi, 2 * math.pi + 0.05]).tolist() == [143, 0, 1]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_only_finite_values_have_an_index(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        scales.SUM_ET.index([1.0, value])


def test_the_physical_values_of_a_word() -> None:
    word = packing.pack("jet", et=161, eta=-9, phi=37)
    values = scales.object_values("jet", word)
    assert values["et_gev"] == 80.5
    assert values["eta"] == pytest.approx(-8.5 * 0.0435)
    assert values["phi_rad"] == pytest.approx(37.5 * 2 * math.pi / 144)
