"""Columns as Arrow IPC frames (docs/protocol.md, section "Frames")."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.errors import ProtocolError
from stream.wire.columns import (
    ROWS,
    SCORE,
    ColumnDecoder,
    decode_batch,
    encode_batch,
    encode_column,
    event_field,
    words_field,
)
from triggers.events.crossings import batch_of, column_view
from triggers.events.schema import FULL, REQUIRED, numpy_dtype

NUMERIC = [f.name for f in FULL if f.name not in {"process", "context"}]


def values_of(field: pa.Field, n: int) -> np.ndarray:
    rng = np.random.default_rng(n)
    shape = (n, field.type.list_size) if pa.types.is_fixed_size_list(field.type) else (n,)
    return rng.integers(0, 255, shape).astype(numpy_dtype(field.type))


@pytest.mark.parametrize("name", NUMERIC)
def test_each_column_of_the_event_format_travels(name: str) -> None:
    field = event_field(name)
    decoder = ColumnDecoder(field, "here")
    for n in (3, 0, 3, 1000):
        values = values_of(field, n)
        frame = memoryview(encode_column(field, values))
        assert np.array_equal(decoder.decode(frame, n), values)


@pytest.mark.parametrize("field", [ROWS, SCORE, words_field(8), words_field(11), event_field("context")])
def test_each_result_column_travels(field: pa.Field) -> None:
    values = values_of(field, 17)
    assert np.array_equal(ColumnDecoder(field, "here").decode(memoryview(encode_column(field, values))), values)


def test_decoding_copies_nothing() -> None:
    frame = memoryview(encode_column(ROWS, np.arange(100, dtype=np.uint32)))
    view = ColumnDecoder(ROWS, "here").decode(frame)
    assert np.shares_memory(view, np.frombuffer(frame, np.uint8))


def test_a_frame_is_what_arrow_itself_reads() -> None:
    frame = encode_column(ROWS, np.arange(5, dtype=np.uint32))
    batch = pa.ipc.read_record_batch(pa.ipc.read_message(frame), pa.schema([ROWS]))
    assert batch.column(0).to_pylist() == [0, 1, 2, 3, 4]


def test_a_wrong_number_of_rows_is_refused_also_when_the_layout_is_known() -> None:
    decoder = ColumnDecoder(ROWS, "here")
    frame = memoryview(encode_column(ROWS, np.arange(5, dtype=np.uint32)))
    decoder.decode(frame, 5)
    for rows, bytes_ in ((4, frame), (5, frame[:-8])):
        with pytest.raises(ProtocolError, match="expected"):
            decoder.decode(bytes_, rows)


def test_another_column_nulls_and_compression_are_refused() -> None:
    words = encode_column(words_field(8), np.zeros((4, 8), np.uint64))
    with pytest.raises(ProtocolError, match="column 'rows'"):
        ColumnDecoder(ROWS, "here").decode(memoryview(words), 4)
    nullable = pa.record_batch([pa.array([1, None], pa.uint32())], schema=pa.schema([pa.field("rows", pa.uint32())]))
    with pytest.raises(ProtocolError, match="nulls"):
        ColumnDecoder(ROWS, "here").decode(memoryview(nullable.serialize()), 2)
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    batch = pa.record_batch([pa.array(np.zeros(4096, np.uint32))], schema=pa.schema([ROWS]))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    stream = sink.getvalue()
    reader = pa.ipc.MessageReader.open_stream(stream)
    reader.read_next_message()
    compressed = reader.read_next_message().serialize()
    with pytest.raises(ProtocolError, match="compressed"):
        ColumnDecoder(ROWS, "here").decode(memoryview(compressed), 4096)


@settings(max_examples=300)
@given(place=st.integers(0, 400), byte=st.integers(0, 255), cut=st.integers(0, 400))
def test_damaged_frames_are_refused_or_read_within_their_bytes(place: int, byte: int, cut: int) -> None:
    frame = bytearray(encode_column(ROWS, np.arange(50, dtype=np.uint32)))
    frame[place % len(frame)] = byte
    damaged = memoryview(bytes(frame[: len(frame) - cut % len(frame)]))
    try:
        view = ColumnDecoder(ROWS, "here").decode(damaged, 50)
    except ProtocolError:
        return
    assert view.shape == (50,)


def test_whole_batches_travel_with_their_schema() -> None:
    batch = batch_of({"bx": np.arange(4, dtype=np.uint16), "pileup": np.ones(4, np.float32)})
    back = decode_batch(memoryview(encode_batch(batch)), "here")
    assert back.equals(batch)
    assert set(REQUIRED.names) <= set(back.schema.names)
    assert column_view(back.column("bx")).tolist() == [0, 1, 2, 3]
    with pytest.raises(ProtocolError, match="not an Arrow IPC stream"):
        decode_batch(memoryview(b"nothing of the kind"), "here")
