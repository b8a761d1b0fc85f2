"""Which algorithms look at what a source lacks (docs/formats.md, "What is lacking")."""

from __future__ import annotations

from pathlib import Path

import pytest

from triggers.events.lacking import lacking_sentences, lacking_sums
from triggers.events.packing import SUMS
from triggers.menu.lacking import lacking_of_menu
from triggers.menu.load import load_menu

EVERYTHING = (
    *("muon.quality", "muon.isolation", "muon.impact_parameter", "muon.charge", "muon.pt_unconstrained", "muon.index"),
    *("muon.shower", "eg", "tau", "eg.isolation", "tau.isolation", "jet.displaced", "external", "neighbours"),
    *lacking_sums(()),
)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("L1_SingleJet35", ()),
        ("L1_SingleMu22", ("muon.quality",)),
        ("L1_DoubleMu0er1p5_SQ_OS", ("muon.quality", "muon.charge")),
        ("L1_CosmicMu3_er1p2_TOP120_BOTTOM120", ("muon.quality", "neighbours")),
        ("L1_SingleEG60", ("eg",)),
        ("L1_SingleIsoEG28er2p5", ("eg", "eg.isolation")),
        ("L1_DoubleIsoTau34er2p1", ("tau", "tau.isolation")),
        ("L1_ZeroBias", ("external",)),
        ("L1_FirstBunchInTrain", ("external", "neighbours")),
    ],
)
def test_parts_are_found_where_a_seed_looks(name: str, parts: tuple[str, ...]) -> None:
    menu = load_menu("shipped:menus/demo.yaml")
    assert lacking_of_menu(menu, EVERYTHING).get(name, ()) == parts
    assert lacking_of_menu(menu, ()) == {}


def test_sums_that_are_not_filled_are_lacking() -> None:
    parts = lacking_sums(["etm", "etm_phi"])
    assert len(parts) == len(SUMS) - 2
    (sentence,) = lacking_sentences(parts)
    assert sentence.startswith("sums ett, ettem")
    assert sentence.count("cicada") == 1


def test_every_part_has_its_sentence() -> None:
    told = lacking_sentences(("muon.isolation", "external", "jet.quality"))
    assert "cuts on muon isolation (ISO) cannot be evaluated" in told[0]
    assert "external signals (EXT)" in told[1]
    assert told[2] == "jet.quality: not known, zero"


@pytest.mark.conformance
def test_external_signals_of_a_real_menu(conformance: Path) -> None:
    menu = load_menu(str(next((conformance / "menus").glob("L1Menu_Collisions2018_v2_1_0-d1.xml"))))
    found = lacking_of_menu(menu, ("external", "sums.centrality_low", "muon.shower"))
    assert set(found) == {algorithm.name for algorithm in menu.algorithms if "EXT_" in algorithm.text}
