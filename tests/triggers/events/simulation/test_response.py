"""Particles → towers: geometry, bending, energy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggers.events.simulation import geometry, response_kernel
from triggers.events.simulation.detector import Response, record_of
from triggers.events.simulation.species import Kind

RESPONSE = record_of(Response())


def deposits(pt: float, eta: float, kind: int, n: int = 400, late: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Mean energy in GeV of `n` single particles at phi 0, em and had, `(towers,)`."""
    offsets = np.arange(n + 1, dtype=np.int64)
    code = kind + int(np.sign(kind)) * 8 if late else kind
    out_offsets = np.zeros(n + 1, np.int64)
    tower, em, had = (np.zeros(4 * n, np.uint16) for _ in range(3))
    filled = response_kernel.respond(
        np.uint64(1),
        offsets,
        np.full(n, pt, np.float32),
        np.full(n, round(eta * 6000), np.int16),
        np.zeros(n, np.uint16),
        np.full(n, code, np.int8),
        RESPONSE,
        out_offsets,
        tower,
        em,
        had,
    )
    sums = [
        np.bincount(tower[:filled], weights=energy[:filled], minlength=geometry.TOWERS) / 64 / n for energy in (em, had)
    ]
    return sums[0], sums[1]


@given(st.floats(-5.19, 5.19), st.floats(-10, 10))
def test_a_direction_lies_in_the_tower_whose_edges_enclose_it(eta: float, phi: float):
    row, column = divmod(response_kernel.tower_of(eta, phi), geometry.COLUMNS)
    side = row - 40 if row >= 40 else 39 - row
    assert geometry.SIDE_EDGES[side] <= abs(eta) <= geometry.SIDE_EDGES[side + 1]
    assert column == pytest.approx((phi / (2 * math.pi)) % 1 * 72 - 0.5, abs=0.51)


def test_beyond_the_calorimeters_there_is_no_tower():
    assert response_kernel.tower_of(5.2, 0.0) == -1


def test_a_photon_leaves_its_energy_in_ecal():
    em, had = deposits(40.0, 0.3, Kind.PHOTON)
    assert em.sum() == pytest.approx(40.0, rel=0.02)
    assert had.sum() == 0


def test_a_hadron_leaves_less_and_most_of_it_in_hcal():
    em, had = deposits(40.0, 0.3, Kind.PION)
    assert 0.6 * 40 < em.sum() + had.sum() < 0.95 * 40
    assert had.sum() > em.sum()


def test_late_energy_is_kept_apart():
    em, had = deposits(40.0, 0.3, Kind.NEUTRAL_HADRON, late=True)
    assert em.sum() == 0
    assert len(had) > response_kernel.LATE_TOWER
    assert had[response_kernel.LATE_TOWER :].sum() > 20


@pytest.mark.parametrize("charge", [1, -1])
def test_charges_bend_apart_and_the_more_the_slower(charge: int):
    turn = [response_kernel.impact(pt, 0.2, 0.0, charge, RESPONSE)[1] for pt in (2.0, 10.0)]
    assert -charge * turn[0] > -charge * turn[1] > 0
    assert abs(turn[0]) == pytest.approx(math.asin(0.2998 * 3.8 * 1.29 / 2 / 2.0), rel=1e-3)


def test_a_slow_particle_curls_into_the_endcap():
    eta, _ = response_kernel.impact(0.5, 0.3, 0.0, 1, RESPONSE)
    assert eta > 1.5


def test_hardware_eta_of_the_rows_is_antisymmetric_around_the_edge():
    eta = geometry.row_eta_hw()
    assert eta[40] == 1
    assert (eta[::-1] == -eta)[20:60].all()
    assert (np.diff(eta) > 0).all()
