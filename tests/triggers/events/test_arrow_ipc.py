"""Arrow IPC files and streams of the event format (docs/formats.md, "Parquet and Arrow IPC")."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from tests.triggers.events.events_data import ALL_OPTIONAL, random_batch, rows_of, same_rows
from triggers.errors import BadValue, FileMissing, FileUnreadable, OutOfOrder, SchemaMismatch
from triggers.events import writers
from triggers.events.crossings import batch_of
from triggers.events.open import SourceFormat, open_source
from triggers.events.readers.arrow_ipc import ArrowIpcSource
from triggers.events.writers import event_writer

N_ROWS = 200


@pytest.fixture
def batch() -> pa.RecordBatch:
    return random_batch(N_ROWS, 2)


def write(path: Path, table: pa.Table | pa.RecordBatch, *, stream: bool, compression: str | None = None) -> Path:
    opener = pa.ipc.new_stream if stream else pa.ipc.new_file
    whole = table if isinstance(table, pa.Table) else pa.Table.from_batches([table])
    with opener(path, whole.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(whole, max_chunksize=64)
    return path


@pytest.mark.parametrize("compression", [None, "zstd", "lz4"])
@pytest.mark.parametrize("stream", [False, True], ids=["file", "stream"])
def test_files_and_streams_are_read(tmp_path: Path, batch: pa.RecordBatch, stream: bool, compression: str) -> None:
    source = open_source([write(tmp_path / "zb.arrow", batch, stream=stream, compression=compression)])
    assert isinstance(source, ArrowIpcSource)
    assert same_rows(rows_of(source, 50), pa.Table.from_batches([batch]))
    assert same_rows(rows_of(source, 7), rows_of(source, 1000))
    n_crossings = N_ROWS - sum(batch.column("context").to_pylist())
    assert source.info.n_crossings == (None if stream else n_crossings)


def test_every_column_survives(tmp_path: Path, batch: pa.RecordBatch) -> None:
    with event_writer(tmp_path / "zb.arrow", ALL_OPTIONAL) as writer:
        writer.write(batch)
    assert same_rows(rows_of(ArrowIpcSource([tmp_path / "zb.arrow"])), pa.Table.from_batches([batch]))


@pytest.mark.parametrize("name", ["zb.arrow", "zb.parquet"])
def test_names_of_processes_may_come_late(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "ROWS_PER_GROUP", 2)
    batch = random_batch(4, 5, ())
    names = ["ttbar", "ggH", "zero bias", "ttbar"]
    with event_writer(tmp_path / name, ("process",)) as writer:
        for row, process in enumerate(names):
            columns = {field: batch.column(field).slice(row, 1) for field in batch.schema.names}
            writer.write(batch_of({**columns, "process": pa.array([process]).dictionary_encode()}))
    assert rows_of(open_source([tmp_path / name]))["process"].to_pylist() == names


@pytest.mark.parametrize("keep", [8, 30, 1000, -1, -20])
def test_a_cut_off_file_is_one_sentence(tmp_path: Path, batch: pa.RecordBatch, keep: int) -> None:
    content = write(tmp_path / "whole.arrow", batch, stream=False).read_bytes()
    path = tmp_path / "cut.arrow"
    path.write_bytes(content[:keep])
    with pytest.raises(FileUnreadable, match=r"cut.arrow: is no readable Arrow IPC file \("):
        rows_of(ArrowIpcSource([path]))


@pytest.mark.parametrize("keep", [6, 200, 0.5, 0.9])
def test_a_cut_off_stream_is_one_sentence(tmp_path: Path, batch: pa.RecordBatch, keep: float) -> None:
    content = write(tmp_path / "whole.arrows", batch, stream=True).read_bytes()
    path = tmp_path / "cut.arrows"
    path.write_bytes(content[: int(keep * len(content)) if keep < 1 else int(keep)])
    with pytest.raises(FileUnreadable, match=r"cut.arrows: is no readable Arrow IPC file \("):
        rows_of(ArrowIpcSource([path]))


def test_a_dictionary_index_out_of_bounds_is_refused(tmp_path: Path, batch: pa.RecordBatch) -> None:
    wild = pa.DictionaryArray.from_arrays(pa.array([9] * N_ROWS, pa.int32()), pa.array(["ttbar"]), safe=False)
    table = pa.Table.from_batches([batch])
    table = table.set_column(table.schema.get_field_index("process"), table.schema.field("process"), wild)
    with pytest.raises(FileUnreadable):
        rows_of(ArrowIpcSource([write(tmp_path / "zb.arrow", table, stream=False)]))


def test_a_missing_list_is_named(tmp_path: Path, batch: pa.RecordBatch) -> None:
    muons = batch.column("muon").to_pylist()
    muons[150] = None
    table = pa.Table.from_batches([batch])
    position = table.schema.get_field_index("muon")
    table = table.set_column(position, "muon", pa.array(muons, pa.list_(pa.uint64(), 8)))
    with pytest.raises(BadValue, match="row 150: column 'muon' has no value"):
        rows_of(ArrowIpcSource([write(tmp_path / "zb.arrow", table, stream=False)]))


def test_content_is_held_to_the_event_format(tmp_path: Path, batch: pa.RecordBatch) -> None:
    table = pa.Table.from_batches([batch])
    with pytest.raises(SchemaMismatch, match="column 'sums' is missing"):
        ArrowIpcSource([write(tmp_path / "a.arrow", table.drop_columns(["sums"]), stream=False)])
    with pytest.raises(OutOfOrder, match="row 1"):
        rows_of(ArrowIpcSource([write(tmp_path / "b.arrow", table.take([1, 0]), stream=False)]))


class TestOpening:
    def test_content_decides_whatever_the_name(self, tmp_path: Path, batch: pa.RecordBatch) -> None:
        path = write(tmp_path / "zb.parquet", batch, stream=False)
        assert isinstance(open_source([path]), ArrowIpcSource)

    def test_the_name_decides_where_the_content_does_not(self, tmp_path: Path) -> None:
        path = tmp_path / "zb.parquet"
        path.write_text("not at all")
        with pytest.raises(FileUnreadable, match="no readable Parquet file"):
            open_source([path])

    def test_a_stated_format_is_taken_at_its_word(self, tmp_path: Path, batch: pa.RecordBatch) -> None:
        path = write(tmp_path / "zb.arrow", batch, stream=False)
        with pytest.raises(FileUnreadable, match="no readable Parquet file"):
            open_source([path], SourceFormat.PARQUET)

    def test_what_cannot_be_opened_is_one_sentence(self, tmp_path: Path, batch: pa.RecordBatch) -> None:
        arrow = write(tmp_path / "zb.arrow", batch, stream=False)
        text = tmp_path / "v.txt"
        text.write_text("0000\n")
        with pytest.raises(BadValue, match=r"v.txt: is test_vector, but .*zb.arrow is arrow"):
            open_source([arrow, text])
        with pytest.raises(BadValue, match="none is named"):
            open_source([])
        with pytest.raises(FileMissing, match="no such event file"):
            open_source([tmp_path / "absent.arrow"])
        with pytest.raises(FileMissing, match=r"none-\*.arrow: no such event file"):
            open_source([tmp_path / "none-*.arrow"])
        with pytest.raises(FileUnreadable, match="is a folder"):
            open_source([tmp_path])
        with pytest.raises(BadValue, match="generated, not read"):
            open_source([arrow], SourceFormat.SYNTHETIC)
