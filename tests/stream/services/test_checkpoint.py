"""Output and state are committed together or not at all (docs/run-folder.md, "Checkpoints")."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stream.services.delivery import Position
from stream.services.sinks.accepted import decode_accepted, encode_accepted, write_parquet
from stream.services.sinks.checkpoint import Checkpoint
from stream.services.snapshot import pack_array, unpack_into
from triggers.errors import FileUnreadable

SCHEMA = pa.schema([pa.field("n", pa.int64())])


def batch(*numbers: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(numbers, pa.int64())], schema=SCHEMA)


def numbers(checkpoint: Checkpoint) -> list[int]:
    committed = checkpoint.load()
    assert committed is not None
    return [n for rows in checkpoint.accepted(committed.segments) for n in rows.column(0).to_pylist()]


def test_a_later_incarnation_goes_on_where_the_last_commit_was(tmp_path: Path) -> None:
    first = Checkpoint(tmp_path, 3)
    assert first.load() is None
    first.write(Position(5, 1, 50), {"x": 1}, encode_accepted(SCHEMA, [batch(1), batch(2)]), b'{"row": 1}\n')
    with (tmp_path / "accepted-000003.arrow").open("ab") as file:
        file.write(b"what a dying process had begun to write")
    second = Checkpoint(tmp_path, 4)
    committed = second.load()
    assert committed is not None
    assert (committed.position, committed.state) == (Position(5, 1, 50), {"x": 1})
    assert list(second.rows(committed.segments)) == [{"row": 1}]
    second.write(Position(9, 2, 0), {"x": 2}, encode_accepted(SCHEMA, [batch(3)]), b"")
    # One that comes back late commits to its own files: the newer incarnation counts.
    first.write(Position(6, 1, 60), {"x": 7}, encode_accepted(SCHEMA, [batch(9)]), b"")
    assert numbers(Checkpoint(tmp_path, 5)) == [1, 2, 3]


def test_a_commit_that_fails_leaves_the_one_before_and_may_be_tried_again(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path, 1)
    checkpoint.write(Position(1, 1, 1), {}, encode_accepted(SCHEMA, [batch(1)]), b"")
    size = (tmp_path / "accepted-000001.arrow").stat().st_size
    more = encode_accepted(SCHEMA, [batch(*range(1000))])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            checkpoint.write(Position(2, 1, 2), {}, more, b"")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert numbers(Checkpoint(tmp_path, 2)) == [1]
    checkpoint.write(Position(2, 1, 2), {}, more, b"")
    assert numbers(Checkpoint(tmp_path, 2)) == [1, *range(1000)]


def test_a_damaged_state_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "state-000001.json").write_text('{"format": 1}')
    with pytest.raises(FileUnreadable, match="is no checkpoint"):
        Checkpoint(tmp_path, 2).load()


def test_how_a_run_was_cut_into_commits_leaves_no_trace_in_the_parquet_file(tmp_path: Path) -> None:
    rows = np.arange(200_000)
    whole = [batch(*rows)]
    pieces = [batch(*part) for part in np.array_split(rows, 23)]
    for name, batches in (("whole", whole), ("pieces", pieces)):
        write_parquet(tmp_path / name, SCHEMA, batches)
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "pieces").read_bytes()
    assert pq.ParquetFile(tmp_path / "whole").num_row_groups == 4
    stream = b"".join(encode_accepted(SCHEMA, [part]).to_pybytes() for part in pieces)
    read = pa.Table.from_batches(decode_accepted(pa.BufferReader(stream), len(stream)))
    assert read.equals(pa.Table.from_batches(pieces))


def test_arrays_are_kept_bit_for_bit() -> None:
    values = np.array([0.1, -0.0, np.pi, 1e-310])
    found = np.zeros(4)
    unpack_into(found, pack_array(values))
    assert found.tobytes() == values.tobytes()
    with pytest.raises(ValueError, match="expected 3 of float64"):
        unpack_into(np.zeros(3), pack_array(values))
