"""A replay in parts: the same rows, the same bits, wherever it is cut (docs/replay.md, "More machines")."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("distributed", reason="the extra [scale] is not installed")

from hypothesis import given, settings
from hypothesis import strategies as st

from models.repository import Repository
from stream.run.dask_worker import Recipe, evaluated_part
from stream.run.evaluation import BlockEvaluator, Evaluated
from stream.run.executors import Executor, ThreadExecutor
from stream.run.parts import Part, parts_of, rows_of
from stream.run.replay import RateOptions, Replay
from stream.run.replay_files import ExclusiveWriter, summary_of
from stream.run.replay_menus import DecisionOptions, replay_menus
from stream.run.replay_source import Samples
from triggers.errors import OutOfOrder
from triggers.events.source import Source
from triggers.events.synthetic import SyntheticSource
from triggers.shipped import find_file
from triggers.studies.changes import changes_table
from triggers.studies.selection import Selection
from triggers.studies.tables import lumi_section_table, overlap_table, rates_table

N: Final = 9000
NEIGHBOUR_SEED: Final = '\nalgorithms:\n  - {index: 400, name: L1_Before, expression: "JET30-2 AND EG10"}\n'


def table_of(n: int, seed: int, section: int = 1500) -> pa.Table:
    """Consecutive crossings in lumi sections of that many."""
    table = pa.Table.from_batches(SyntheticSource(n, seed=seed, pileup=60).batches(n))
    k = np.arange(n)
    for name, values in (("lumi_section", 1 + k // section), ("orbit", 1 + k // 3000), ("bx", k % 3000)):
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.schema.field(at), pa.array(values).cast(table.schema.field(at).type))
    return table


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """Parquet in small row groups, a file of a single crossing, and Arrow IPC, which has no index."""
    folder = tmp_path_factory.mktemp("parts")
    pq.write_table(table_of(N, 9), folder / "a.parquet", row_group_size=700)
    pq.write_table(table_of(1, 10), folder / "b.parquet")
    with pa.OSFile(str(folder / "c.arrow"), "wb") as sink:
        table = table_of(4000, 11)
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=999)
    pq.write_table(table_of(2000, 12), folder / "d.parquet")
    return tuple(folder / name for name in ("a.parquet", "b.parquet", "c.arrow", "d.parquet"))


class PartsExecutor:
    """Evaluates as dask workers do, in this process."""

    threads = 1

    def __init__(self, files: tuple[Path, ...], least: int, most: int) -> None:
        self._files, self._cut = files, (least, most)

    def evaluated(
        self, evaluator: BlockEvaluator, source: Source, selection: Selection, batch_crossings: int
    ) -> Iterator[Evaluated]:
        recipe = Recipe(self._files, evaluator.menus, evaluator.curves, None, {}, selection, batch_crossings)
        for part in parts_of(self._files, *self._cut):
            found = evaluated_part(recipe, evaluator, part)
            if found is not None:
                yield found


@pytest.mark.parametrize(("least", "most"), [(1, 1000), (1600, 5000), (N, N), (1 << 20, 1 << 20)])
def test_parts_are_all_rows_in_order(files: tuple[Path, ...], least: int, most: int) -> None:
    whole = pa.Table.from_batches(Samples([str(file) for file in files]).batches(4096))
    parts = list(parts_of(files, least, most))
    batches = [batch for part in parts for batch in rows_of(files, part, 512, neighbours=False)]
    assert pa.Table.from_batches(batches).equals(whole)
    assert [(part.first, part.stop) for part in parts if part.file == 2] == [(0, None)]
    sizes = [part.stop - part.first for part in parts if part.stop is not None]
    assert max(sizes) <= most


def test_a_part_ends_with_a_lumi_section(files: tuple[Path, ...]) -> None:
    ends = [part.stop for part in parts_of(files[:1], 1, N)]
    assert ends == [1500, 3000, 4500, 6000, 7500, 9000]
    ends = [part.stop for part in parts_of(files[:1], 2000, N)]
    assert ends == [3000, 6000, 9000]


def test_rows_out_of_order_are_found_before_any_worker_sees_them(tmp_path: Path) -> None:
    table = table_of(3000, 9)
    pq.write_table(pa.concat_tables([table.slice(1500), table.slice(0, 1500)]), tmp_path / "x.parquet")
    with pytest.raises(OutOfOrder):
        list(parts_of([tmp_path / "x.parquet"]))


@settings(max_examples=20)
@given(st.lists(st.integers(1, 2000), min_size=1, max_size=8))
def test_a_part_sees_its_neighbours_wherever_it_is_cut(files: tuple[Path, ...], sizes: list[int]) -> None:
    whole = pa.Table.from_batches(Samples([str(file) for file in files]).batches(4096))["event"].to_numpy()
    places = [0, *(n for n in accumulate(sizes) if n < N), N]
    for first, stop in pairwise(places):
        table = pa.Table.from_batches(rows_of(files, Part(0, first, stop), 512, neighbours=True))
        begin, end = max(0, first - 2), stop + 2
        assert np.array_equal(table["event"].to_numpy(), whole[begin:end])
        decided = ~table["context"].to_numpy()
        assert np.array_equal(np.flatnonzero(decided), np.arange(first - begin, stop - begin))


def test_neighbours_are_looked_for_across_short_files(files: tuple[Path, ...]) -> None:
    whole = pa.Table.from_batches(Samples([str(file) for file in files]).batches(4096))["event"].to_numpy()
    for part, expected in (
        (Part(1, 0, 1), whole[N - 2 : N + 3]),
        (Part(2), whole[N - 1 : N + 4003]),
        (Part(3, 0, 2000), whole[N + 3999 :]),
    ):
        table = pa.Table.from_batches(rows_of(files, part, 512, neighbours=True))
        assert np.array_equal(table["event"].to_numpy(), expected)


def replayed(executor: Executor, files: tuple[Path, ...], folder: Path, selection: Selection) -> list[Any]:
    menu_b = folder / "b.yaml"
    text = find_file("shipped:menus/demo.yaml").read_text()
    menu_b.write_text(text.replace("\nalgorithms:\n", NEIGHBOUR_SEED))
    tables = [("shipped:prescales/demo.csv", "physics")] * 2
    parts = replay_menus(["shipped:menus/demo.yaml", str(menu_b)], tables, DecisionOptions(), {}, "L1_SingleMu22")
    writers = tuple(ExclusiveWriter(folder / f"{part.label}.parquet", part.label, part.menu) for part in parts)
    source = Samples([str(file) for file in files])
    result = Replay(parts, Repository(), executor).run(source, selection, RateOptions(), writers)
    for writer in writers:
        writer.close()
    found = [rates_table(result), overlap_table(result), changes_table(result), lumi_section_table(result)]
    return [*found, pq.read_table(folder / "B.parquet"), {**summary_of(result), "seconds": 0}]


def assert_same(one: list[Any], two: list[Any]) -> None:
    for first, second in zip(one, two, strict=True):
        assert first == second


@pytest.mark.parametrize("selection", [Selection(), Selection(lumi_sections=((2, 3), (5, 5)))])
def test_parts_give_the_same_decisions_as_one_process(
    files: tuple[Path, ...], tmp_path: Path, selection: Selection
) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    local = replayed(ThreadExecutor(2), files, tmp_path / "a", selection)
    apart = replayed(PartsExecutor(files, 1, 800), files, tmp_path / "b", selection)
    assert local[-1]["changed_algorithms"] == {"L1_Before": "added"}
    assert local[-1]["kept_only"]["B"]["crossings"] > 10
    local[-1]["menus"][1]["path"] = apart[-1]["menus"][1]["path"]
    assert_same(local, apart)
