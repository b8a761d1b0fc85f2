"""Which algorithms the metrics tell of (docs/metrics.md, "Algorithms")."""

from __future__ import annotations

from stream.services.exported import ExportedAlgorithms, ExportSettings
from triggers.decision.counts import Counts, Step
from triggers.menu.load import load_menu

ALGORITHMS = load_menu("shipped:menus/demo.yaml").algorithms


def counts(crossings: int) -> Counts:
    """The higher the index, the more it fires; none is kept."""
    made = Counts(0)
    made.crossings = crossings
    made.by_step[Step.BEFORE_PRESCALE] = range(512)
    return made


def test_all_are_exported_from_the_start_if_they_are_few() -> None:
    exported = ExportedAlgorithms(ALGORITHMS, ExportSettings(highest=len(ALGORITHMS)))
    assert set(exported.chosen(counts(0))) == set(ALGORITHMS)


def test_the_highest_are_chosen_once_and_stay() -> None:
    exported = ExportedAlgorithms(ALGORITHMS, ExportSettings(frozenset({"L1_ZeroBias"}), highest=3))
    assert [a.name for a in exported.chosen(counts(1000))] == ["L1_ZeroBias"]
    chosen = [a.name for a in exported.chosen(counts(2**18))]
    assert chosen == ["L1_ZeroBias", *(a.name for a in sorted(ALGORITHMS, key=lambda a: -a.index)[:3])]
    later = counts(2**20)
    later.by_step[Step.FINAL, ALGORITHMS[1].index] = 10**6
    assert [a.name for a in exported.chosen(later)] == chosen


def test_the_rate_of_the_final_or_counts_before_how_often_an_algorithm_fires() -> None:
    found = counts(2**18)
    found.by_step[Step.FINAL, ALGORITHMS[0].index] = 5
    exported = ExportedAlgorithms(ALGORITHMS, ExportSettings(highest=1))
    assert list(exported.chosen(found)) == [ALGORITHMS[0]]
