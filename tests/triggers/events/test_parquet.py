"""Parquet files of the event format (docs/formats.md, "Parquet and Arrow IPC")."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.triggers.events.events_data import ALL_OPTIONAL, random_batch, rows_of, same_rows
from triggers.errors import BadValue, FileExists, FileMissing, FileUnreadable, OutOfOrder, SchemaMismatch, UnknownName
from triggers.events import schema, writers
from triggers.events.crossings import column_view, slots
from triggers.events.held import not_held
from triggers.events.open import SourceFormat, open_source
from triggers.events.readers.parquet import ParquetSource
from triggers.events.writers import event_writer

N_ROWS = 300


@pytest.fixture
def batch() -> pa.RecordBatch:
    return random_batch(N_ROWS, 1)


def write(path: Path, *batches: pa.RecordBatch | pa.Table) -> Path:
    """Writes as another program would, with the columns as they are."""
    tables = [b if isinstance(b, pa.Table) else pa.Table.from_batches([b]) for b in batches]
    pq.write_table(pa.concat_tables(tables), path, row_group_size=64)
    return path


def replaced(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.Table:
    table = pa.Table.from_batches([batch])
    return table.set_column(table.schema.get_field_index(name), name, values)


def test_every_column_survives(tmp_path: Path, batch: pa.RecordBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "ROWS_PER_GROUP", 100)
    with event_writer(tmp_path / "zb.parquet", ALL_OPTIONAL) as writer:
        for start in range(0, N_ROWS, 70):
            writer.write(batch.slice(start, 70))
    source = ParquetSource([tmp_path / "zb.parquet"])
    assert same_rows(rows_of(source, 33), pa.Table.from_batches([batch]))
    assert pq.ParquetFile(tmp_path / "zb.parquet").metadata.num_row_groups == 3
    assert source.info.optional_columns == ALL_OPTIONAL
    assert source.info.n_crossings == N_ROWS - sum(batch.column("context").to_pylist())


def test_files_are_one_run(tmp_path: Path, batch: pa.RecordBatch) -> None:
    write(tmp_path / "zb-0.parquet", batch.slice(0, 100))
    write(tmp_path / "zb-1.parquet", batch.slice(100))
    source = open_source([tmp_path / "zb-*.parquet"])
    assert isinstance(source, ParquetSource)
    assert same_rows(rows_of(source), pa.Table.from_batches([batch]))
    assert same_rows(rows_of(source, 7), rows_of(source, 99))


def test_columns_are_views_of_the_batch(tmp_path: Path, batch: pa.RecordBatch) -> None:
    read = next(ParquetSource([write(tmp_path / "zb.parquet", batch)]).batches(50))
    values = column_view(read.column("jet"))
    assert values.shape == (50, 12)
    assert not values.flags.owndata


@pytest.mark.parametrize("make", [pa.list_, pa.large_list], ids=["list", "large list"])
def test_plain_lists_of_the_right_length_are_accepted(tmp_path: Path, batch: pa.RecordBatch, make: type) -> None:
    jets = pa.array(batch.column("jet").to_pylist(), make(pa.uint32()))
    names = pa.array(batch.column("process").to_pylist())
    table = replaced(batch, "jet", jets).set_column(batch.schema.get_field_index("process"), "process", names)
    rows = rows_of(ParquetSource([write(tmp_path / "zb.parquet", table)]), 64)
    assert same_rows(rows, pa.Table.from_batches([batch]))


def test_a_list_of_another_length_is_named(tmp_path: Path, batch: pa.RecordBatch) -> None:
    jets = batch.column("jet").to_pylist()
    jets[150] = jets[150][:11]
    path = write(tmp_path / "zb.parquet", replaced(batch, "jet", pa.array(jets, pa.list_(pa.uint32()))))
    with pytest.raises(BadValue, match=r"zb.parquet, row 150: column 'jet' has 11 values instead of 12"):
        rows_of(ParquetSource([path]), 64)


@pytest.mark.parametrize(("name", "value"), [("bx", None), ("eg", [1] * 11 + [None])])
def test_a_missing_value_is_named(tmp_path: Path, batch: pa.RecordBatch, name: str, value: object) -> None:
    kind = schema.FULL.field(name).type
    nullable = pa.list_(kind.value_type, kind.list_size) if pa.types.is_fixed_size_list(kind) else kind
    values = batch.column(name).to_pylist()
    values[77] = value
    path = write(tmp_path / "zb.parquet", replaced(batch, name, pa.array(values, nullable)))
    with pytest.raises(BadValue, match=f"row 77: column '{name}' has no value"):
        rows_of(ParquetSource([path]), 50)


@pytest.mark.parametrize("name", schema.OBJECT_COLUMNS)
def test_a_missing_object_column_is_named(tmp_path: Path, batch: pa.RecordBatch, name: str) -> None:
    path = write(tmp_path / "zb.parquet", pa.Table.from_batches([batch]).drop_columns([name]))
    with pytest.raises(SchemaMismatch, match=f"column '{name}' is missing, expected fixed_size_list"):
        ParquetSource([path])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("bx", pa.array(range(N_ROWS), pa.int64())),
        ("jet", pa.array([[0] * 12] * N_ROWS, pa.list_(pa.int32(), 12))),
        ("muon", pa.array([[0] * 7] * N_ROWS, pa.list_(pa.uint64(), 7))),
        ("process", pa.array(range(N_ROWS), pa.int32())),
    ],
)
def test_a_column_of_another_type_is_named(tmp_path: Path, batch: pa.RecordBatch, name: str, values: pa.Array) -> None:
    path = write(tmp_path / "zb.parquet", replaced(batch, name, values))
    with pytest.raises(SchemaMismatch, match=f"column '{name}' is .*, expected "):
        ParquetSource([path])


def test_times_that_the_file_lacks_are_made(tmp_path: Path, batch: pa.RecordBatch) -> None:
    table = pa.Table.from_batches([batch]).drop_columns(list(schema.TIME_COLUMNS))
    paths = [write(tmp_path / "a.parquet", table), write(tmp_path / "b.parquet", table)]
    source = ParquetSource(paths)
    rows = rows_of(source, 90)
    assert np.diff(slots(rows.combine_chunks().to_batches()[0])).min() >= 3
    assert set(rows["run"].to_pylist()) == set(rows["lumi_section"].to_pylist()) == {1}
    assert rows["event"].to_pylist() == list(range(1, 2 * N_ROWS + 1))
    assert same_rows(rows, rows_of(source, 1000))
    assert any("orbit, bx: not in the file" in sentence for sentence in source.info.missing)


def test_the_lumi_section_follows_from_the_orbit(tmp_path: Path, batch: pa.RecordBatch) -> None:
    late = pa.array(column_view(batch.column("orbit")) + np.uint32(1 << 18))
    table = replaced(batch, "orbit", late).drop_columns(["lumi_section"])
    rows = rows_of(ParquetSource([write(tmp_path / "zb.parquet", table)]))
    assert set(rows["lumi_section"].to_pylist()) == {2}


def test_orbit_and_bx_go_together(tmp_path: Path, batch: pa.RecordBatch) -> None:
    path = write(tmp_path / "zb.parquet", pa.Table.from_batches([batch]).drop_columns(["bx"]))
    with pytest.raises(SchemaMismatch, match="'bx' is missing"):
        ParquetSource([path])


def test_columns_of_the_users_own_are_left_out_and_told(tmp_path: Path, batch: pa.RecordBatch) -> None:
    table = pa.Table.from_batches([batch]).append_column("mine", pa.array(range(N_ROWS)))
    source = ParquetSource([write(tmp_path / "zb.parquet", table)])
    assert "mine" not in rows_of(source).column_names
    assert any(sentence.startswith("mine: ") for sentence in source.info.missing)


@pytest.mark.parametrize("n_rows", [1, 40, 1000])
def test_rows_out_of_order_are_named(tmp_path: Path, batch: pa.RecordBatch, n_rows: int) -> None:
    order = [*range(120), 121, 120, *range(122, N_ROWS)]
    section = pa.array(np.ones(N_ROWS, np.uint32))
    path = write(tmp_path / "zb.parquet", replaced(batch, "lumi_section", section).take(order))
    with pytest.raises(OutOfOrder, match=r"zb.parquet, row 121: crossings are not in time order"):
        rows_of(ParquetSource([path]), n_rows)


def test_a_lumi_section_may_begin_again_only_in_another_run(tmp_path: Path, batch: pa.RecordBatch) -> None:
    path = write(tmp_path / "a.parquet", batch)
    with pytest.raises(OutOfOrder, match=r"a.parquet, row 0"):
        rows_of(ParquetSource([path, path]))
    other_run = replaced(batch, "run", pa.array(np.full(N_ROWS, 7, np.uint32)))
    assert len(rows_of(ParquetSource([path, write(tmp_path / "b.parquet", other_run)]))) == 2 * N_ROWS


def test_two_rows_of_one_time_are_named(tmp_path: Path, batch: pa.RecordBatch) -> None:
    path = write(tmp_path / "zb.parquet", batch.take(pa.array([0, 1, 1, 2])))
    with pytest.raises(BadValue, match="row 2: has the same run, lumi section, orbit and bx"):
        rows_of(ParquetSource([path]))


def test_a_bx_beyond_the_orbit_is_named(tmp_path: Path, batch: pa.RecordBatch) -> None:
    bx = column_view(batch.column("bx")).copy()
    bx[5] = 3564
    path = write(tmp_path / "zb.parquet", replaced(batch, "bx", pa.array(bx)))
    with pytest.raises(BadValue, match="row 5: bx 3564 does not exist"):
        rows_of(ParquetSource([path]))


def test_files_of_one_source_have_the_same_columns(tmp_path: Path, batch: pa.RecordBatch) -> None:
    first = write(tmp_path / "a.parquet", batch)
    second = write(tmp_path / "b.parquet", pa.Table.from_batches([batch]).drop_columns(["pileup"]))
    for paths in ([first, second], [second, first]):
        with pytest.raises(BadValue, match=r"b.parquet: lacks the column 'pileup' that .*a.parquet has"):
            ParquetSource(paths)


@pytest.mark.parametrize("keep", [3, 100, 5000, -1, -9])
def test_a_cut_off_file_is_one_sentence(tmp_path: Path, batch: pa.RecordBatch, keep: int) -> None:
    content = write(tmp_path / "whole.parquet", batch).read_bytes()
    path = tmp_path / "cut.parquet"
    path.write_bytes(content[:keep])
    with pytest.raises(FileUnreadable, match=r"cut.parquet: is no readable Parquet file \(.*\); fetch") as caught:
        ParquetSource([path])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_page_never_gives_wrong_rows(tmp_path: Path, batch: pa.RecordBatch, seed: int) -> None:
    whole = tmp_path / "whole.parquet"
    with event_writer(whole, ALL_OPTIONAL) as writer:
        writer.write(batch)
    content = bytearray(whole.read_bytes())
    content[np.random.default_rng(seed).integers(4, len(content) * 3 // 4)] ^= 0x10
    path = tmp_path / "damaged.parquet"
    path.write_bytes(content)
    with contextlib.suppress(FileUnreadable):
        assert same_rows(rows_of(ParquetSource([path])), pa.Table.from_batches([batch]))


def test_batches_before_the_damage_are_good(tmp_path: Path, batch: pa.RecordBatch) -> None:
    path = write(tmp_path / "zb.parquet", batch)
    group = pq.ParquetFile(path).metadata.row_group(3)
    content = bytearray(path.read_bytes())
    start = group.column(5).data_page_offset
    content[start : start + 40] = b"\xff" * 40
    path.write_bytes(content)
    batches = ParquetSource([path]).batches(64)
    assert next(batches).num_rows == 64
    with pytest.raises(FileUnreadable):
        list(batches)


def test_no_rows_are_no_error(tmp_path: Path) -> None:
    source = ParquetSource([write(tmp_path / "zb.parquet", random_batch(0, 1))])
    assert source.info.n_crossings == 0
    assert list(source.batches(10)) == []


class TestWriting:
    def test_nothing_is_left_of_a_file_that_was_not_finished(self, tmp_path: Path, batch: pa.RecordBatch) -> None:
        for name in ("zb.parquet", "zb.arrow", "zb.txt", "zb.txt.gz", "zb.txt.xz"):
            with pytest.raises(KeyboardInterrupt), event_writer(tmp_path / name, ALL_OPTIONAL) as writer:  # noqa: PT012
                writer.write(batch)
                raise KeyboardInterrupt
        assert list(tmp_path.iterdir()) == []

    def test_the_file_has_its_name_only_when_it_is_complete(self, tmp_path: Path, batch: pa.RecordBatch) -> None:
        with event_writer(tmp_path / "zb.parquet", ALL_OPTIONAL) as writer:
            writer.write(batch)
            assert not (tmp_path / "zb.parquet").exists()
        assert [path.name for path in tmp_path.iterdir()] == ["zb.parquet"]

    def test_a_file_is_not_overwritten(self, tmp_path: Path, batch: pa.RecordBatch) -> None:
        path = tmp_path / "zb.parquet"
        path.write_text("precious")
        with pytest.raises(FileExists, match="exists already"), event_writer(path):
            pass
        late = tmp_path / "late.parquet"
        with pytest.raises(FileExists), event_writer(late, ALL_OPTIONAL) as writer:  # noqa: PT012
            writer.write(batch)
            late.write_text("precious")
        assert path.read_text() == late.read_text() == "precious"

    def test_an_output_that_cannot_be_is_one_sentence(self, tmp_path: Path) -> None:
        with pytest.raises(FileMissing, match="no such folder"), event_writer(tmp_path / "no" / "zb.parquet"):
            pass
        with pytest.raises(UnknownName, match=r"unknown file suffix '.csv'"), event_writer(tmp_path / "zb.csv"):
            pass
        with pytest.raises(BadValue, match="synthetic"), event_writer(tmp_path / "zb", (), SourceFormat.SYNTHETIC):
            pass

    def test_a_full_disk_is_one_sentence(self, batch: pa.RecordBatch, tmp_path: Path) -> None:
        with (
            pytest.raises(BadValue, match=r"cannot be written \(No space left on device\)"),
            event_writer(tmp_path / "zb.parquet", ALL_OPTIONAL),
        ):
            raise OSError(28, "No space left on device")
        assert list(tmp_path.iterdir()) == []

    def test_what_the_text_cannot_hold_is_told(self) -> None:
        assert not_held(SourceFormat.PARQUET, ALL_OPTIONAL) == ()
        told = " ".join(not_held(SourceFormat.TEST_VECTOR, ("pileup",)))
        assert "orbit" in told
        assert "pileup" in told
        assert "expected bits" in told
