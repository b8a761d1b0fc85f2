"""Which version a lumi section has, what a candidate scores, how drift is counted (docs/run-control.md, "Models")."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.distribution import ScoreDistribution, distribution_of_scores
from stream.errors import ProtocolError
from stream.services.changes import Change
from stream.services.drift import ScoreDrift, population_stability
from stream.services.gates import Speed
from stream.services.model_changes import ModelTimeline, RunVersion, Serving
from stream.services.shadow import ShadowCounts
from stream.services.shadow_metrics import ShadowMetrics
from stream.wire.messages import Header, Kind
from tests.stream.services.acting_budgets import Fill
from triggers.errors import L1ChainError
from triggers.strict_yaml import validated


def version(name: str, **points: int) -> RunVersion:
    return RunVersion("m", name, name * 64, "fixed", points)


A, B, C = (version(name, nominal=10) for name in "abc")


def change(number: int, kind: str, new: RunVersion | None, lumi_section: int, **more: float) -> Change:
    arguments = {"model": "m", "version": None if new is None else new.as_json(), **more}
    return Change(str(number), kind, arguments, lumi_section)


def header(lumi_section: int, first: int, crossings: int) -> Header:
    return Header(Kind.BATCH, 1, 0, first, 0, lumi_section, crossings, crossings)


def test_a_version_holds_until_the_next() -> None:
    timeline = ModelTimeline(Serving(A), ("production",))
    timeline.add([change(1, "swap", B, 5), change(2, "swap", C, 5), change(3, "swap", A, 9)])
    timeline.add([change(3, "swap", B, 7), Change("4", "mask", {"algorithm": "x"}, 2)])
    assert [timeline.serving_in(n).production.version for n in (0, 4, 5, 8, 9, 100)] == ["a", "a", "c", "c", "a", "a"]
    assert timeline.names_in(5) == {"m/c": 0, "m@c": 0, "m@production": 0}


def test_versions_that_the_menu_names_stay() -> None:
    timeline = ModelTimeline(Serving(A, (A, C)), ("production",))
    assert timeline.names_in(1) == {"m/a": 0, "m@a": 0, "m/c": 1, "m@c": 1, "m@production": 0}
    timeline.add([change(1, "swap", B, 2)])
    assert timeline.names_in(2) == {"m/b": 0, "m@b": 0, "m/a": 1, "m@a": 1, "m/c": 2, "m@c": 2, "m@production": 0}


def test_a_candidate_comes_and_goes_and_ends_when_it_is_promoted() -> None:
    timeline = ModelTimeline(Serving(A))
    timeline.add([change(1, "shadow", B, 2, fraction=0.5), change(2, "shadow", None, 3)])
    timeline.add([change(3, "shadow", C, 4, fraction=0.1), change(4, "swap", C, 6)])
    servings = [timeline.serving_in(n) for n in range(1, 7)]
    assert [s.shadow.version if s.shadow else None for s in servings] == [None, "b", None, "c", "c", None]
    assert [s.fraction for s in servings] == [0.0, 0.5, 0.0, 0.1, 0.1, 0.0]


def test_what_a_candidate_scores_does_not_depend_on_the_cut() -> None:
    serving = Serving(A, (), B, 0.1)
    whole = serving.shadowed(header(3, 0, 100_000))
    parts = [first + serving.shadowed(header(3, first, 2_500)) for first in range(0, 100_000, 2_500)]
    assert np.array_equal(whole, np.concatenate(parts))
    assert len(whole) == pytest.approx(10_000, abs=5)
    in_orbit = np.bincount(whole % 2500, minlength=2500)
    assert in_orbit.max() < 12
    assert len(Serving(A, (), B, 1.0).shadowed(header(1, 7, 50))) == 50
    assert len(Serving(A).shadowed(header(1, 7, 50))) == 0


def test_a_change_that_is_none_is_refused() -> None:
    with pytest.raises(ProtocolError):
        ModelTimeline(Serving(A)).add([Change("1", "swap", {"model": "m", "version": {"model": "m"}}, 2)])


def test_counts_of_a_candidate_are_put_aside_and_taken_up() -> None:
    random = np.random.default_rng(1)
    first, second = random.integers(0, 20, (2, 1000), dtype=np.int32)
    counts = ShadowCounts(A, version("b", nominal=5, tight=15))
    counts.add(first, second)
    restored = ShadowCounts.restored(counts.snapshot())
    assert restored.summary() == counts.summary()
    points = counts.summary()["working_points"]
    one, other = first >= 10, second >= 5
    assert points["nominal"] == {
        "production": one.sum(),
        "candidate": other.sum(),
        "both": (one & other).sum(),
        "disagree": (one ^ other).sum(),
    }
    assert points["tight"]["production"] == 0
    assert counts.octaves[0].tolist()[:6] == [(first == 0).sum(), *np.histogram(first, [1, 2, 4, 8, 16, 32])[0]]


def test_drift_is_small_for_the_reference_and_large_for_another_sample() -> None:
    random = np.random.default_rng(2)
    reference = distribution_of_scores(random.poisson(100, 50_000), "Poisson, mean 100")
    drifting = RunVersion("m", "a", "a" * 64, "fixed", {}, reference.edges, reference.parts)
    same, other = ScoreDrift(drifting), ScoreDrift(drifting)
    for _ in range(30):
        same.add(random.poisson(100, 10_000).astype(np.int32))
        other.add(random.poisson(115, 10_000).astype(np.int32))
    assert same.psi is not None
    assert other.psi is not None
    assert same.psi < 0.01 < 0.5 < other.psi
    assert ScoreDrift.restored(other.snapshot()).psi == other.psi
    assert ScoreDrift(A).psi is None
    assert population_stability(np.array([0.5, 0.5]), np.array([0.9, 0.1])) == pytest.approx(0.8789, abs=1e-4)


def test_the_drift_of_a_version_that_was_rolled_back_alerts_no_more(tmp_path: Path) -> None:
    fill = Fill(tmp_path, [])
    for lumi_section, name in ((1, "bad"), (2, "good")):
        told = replace(A, model="axol1tl", version=name, edges=(100,), parts=(0.5, 0.5))
        fill.command("swap", lumi_section, model="axol1tl", version=told.as_json())
    exported = []
    for batch in (0, 4):  # the first of each lumi section
        fill.decide(range(batch, batch + 4))
        families = {family.name: family for family in ShadowMetrics(fill.fold.scoring).collect()}
        exported.append([sample.labels["version"] for sample in families["l1chain_score_drift_psi"].samples])
    assert exported == [["bad"], ["good"]]


def test_a_reference_distribution_is_checked() -> None:
    found = distribution_of_scores(np.repeat(np.arange(40), 25), "even")
    assert sum(found.parts) == pytest.approx(1)
    assert found.parts[:5] == pytest.approx([0.05] * 5)
    assert distribution_of_scores(np.zeros(10, np.int64), "nothing").parts == (1.0, 0.0)
    for edges, parts in (([3, 2], [0.2, 0.3, 0.5]), ([1], [1.0]), ([1], [0.5, 0.4])):
        with pytest.raises(L1ChainError):
            validated({"edges": edges, "parts": parts, "sample": "s"}, "manifest", ScoreDistribution)


def test_a_boundary_is_chosen_that_nobody_has_to_wait_for() -> None:
    speed = Speed(0.0)
    assert speed.lumi_sections_in(0.5, 1000, 300) == 0
    for tick in range(1, 100):
        speed.add(1000)
        speed.tick(tick / 10)
    assert [speed.lumi_sections_in(0.5, size, 0) for size in (1000, 2500, 5001)] == [4, 1, 0]
    assert speed.lumi_sections_in(0.0, 1000, 300) == 0
