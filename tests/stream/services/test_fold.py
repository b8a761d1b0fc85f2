"""The fold's state can be put aside and taken up again (docs/run-folder.md, "Checkpoints")."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream.errors import RunFailed
from stream.run.assembly import Assembly
from stream.run.config import load_config
from stream.services.changes import Change
from stream.services.decision_changes import DecisionTimeline
from stream.services.delivery import Position
from stream.services.fold import CombinerSettings, Fold
from stream.services.sinks.tables import RunTables
from stream.wire.messages import Header, Kind

BATCH, SECTION = 100, 1000


@pytest.fixture
def assembly(tmp_path: Path) -> Assembly:
    """One algorithm that fires in every crossing, prescaled by three, with a budget."""
    (tmp_path / "menu.yaml").write_text(
        "name: m\nexternals: {EXT_ZeroBias: 4}\nalgorithms:\n  - {name: L1_ZB, index: 3, expression: EXT_ZeroBias}\n"
    )
    (tmp_path / "table.csv").write_text("Index,Name,some,all\n3,L1_ZB,3,1\n")
    (tmp_path / "chain.yaml").write_text(
        f"source: {{format: synthetic, crossings: 10}}\nmenu: {{path: menu.yaml}}\nrun: {{out: {tmp_path}, "
        f"colliding_bunches: 10, orbits_per_lumi_section: {SECTION // 10}}}\n"
        "prescales: {path: table.csv, column: some}\nbudgets: [{name: b, algorithms: [L1_ZB], rate_hz: 20000}]\n"
    )
    return Assembly(load_config(tmp_path / "chain.yaml"))


def fold(assembly: Assembly) -> Fold:
    settings = CombinerSettings(assembly.decision, {}, compare_expected=False)
    timeline = DecisionTimeline(assembly.decision, assembly.menu, assembly._factors_of)
    return Fold(assembly.evaluator, settings, timeline, RunTables(assembly.menu, assembly.decision, {}))


def decide(made: Fold, sequences: range) -> list[list[int]]:
    words = np.zeros((BATCH, assembly_words(made)), np.uint64)
    words[:, 0] = 1 << 3
    accepted = []
    for sequence in sequences:
        section, first = divmod(sequence * BATCH, SECTION)
        header = Header(Kind.BATCH, 1, sequence, first, 0, section + 1, BATCH, BATCH)
        accepted.append(made.decide(header, {"seeds": [np.arange(BATCH, dtype=np.uint32), words]}).rows.tolist())
    return accepted


def ended(made: Fold, committed: list[dict[str, Any]] | None = None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The totals, and the rows of all lumi sections: those that a commit took and those since."""
    totals = made.tables.finish()
    return totals, [*(committed or []), *made.tables.take_rows()]


def assembly_words(made: Fold) -> int:
    return made._evaluator.n_words


@pytest.mark.parametrize("cut", [1, 7, 10, 13, 20])
def test_a_new_fold_goes_on_bit_for_bit(assembly: Assembly, cut: int) -> None:
    whole, first, second = fold(assembly), fold(assembly), fold(assembly)
    expected = decide(whole, range(25))
    begun = decide(first, range(cut))
    second.restore(first.position, first.snapshot())
    committed = first.tables.take_rows()
    assert begun + decide(second, range(cut, 25)) == expected
    assert ended(second, committed) == ended(whole)
    assert second.tables.rates().equals(whole.tables.rates())


def test_going_back_undoes_everything_since(assembly: Assembly) -> None:
    whole, made = fold(assembly), fold(assembly)
    expected = decide(whole, range(25))
    decide(made, range(8))
    position, state, committed = made.position, made.snapshot(), made.tables.take_rows()
    decide(made, range(8, 22))
    made.restore(position, state)
    assert decide(made, range(8, 25)) == expected[8:]
    assert ended(made, committed) == ended(whole)


@pytest.mark.parametrize("cut", [8, 10, 13])
def test_a_change_holds_in_the_lumi_section_to_which_a_commit_leads_back(assembly: Assembly, cut: int) -> None:
    changes = [Change("a", "prescale", {"column": "all"}, 2), Change("b", "mask", {"algorithm": "L1_ZB"}, 3)]
    whole, first, second = fold(assembly), fold(assembly), fold(assembly)
    for change in changes:
        whole.follow(change)
        first.follow(change)
    expected = decide(whole, range(25))
    decide(first, range(cut))
    second.restore(first.position, first.snapshot())
    committed = first.tables.take_rows()
    for change in changes:
        second.follow(change)
    assert decide(second, range(cut, 25)) == expected[cut:]
    _, rows = found = ended(second, committed)
    assert found == ended(whole)
    assert [row["prescale_column"] for row in rows] == ["some", "all", "all"]
    assert [row["masked"] for row in rows] == [[], [], ["L1_ZB"]]


def test_a_batch_that_is_not_the_next_one_is_never_decided(assembly: Assembly) -> None:
    made = fold(assembly)
    decide(made, range(2))
    with pytest.raises(RunFailed, match="was due"):
        decide(made, range(3, 4))
    with pytest.raises(RunFailed, match="was due"):
        decide(made, range(1, 2))
    assert made.position == Position(2, 1, 2 * BATCH)


def test_memory_does_not_grow_with_the_number_of_lumi_sections(assembly: Assembly) -> None:
    """The rows go with the commits; what stays is the same after any number of them."""
    made = fold(assembly)

    def run(batches: range) -> int:
        taken = 0
        for first in range(batches.start, batches.stop, 30):
            decide(made, range(first, first + 30))
            json.dumps(made.snapshot())
            taken += len(made.tables.take_rows())
        return taken

    run(range(600))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        assert run(range(600, 3600)) == 300
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 64_000
