"""The header of every message (docs/protocol.md, section "Frames")."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import ProtocolError, Refusal
from stream.wire.messages import (
    HEADER_BYTES,
    MAX_JSON_BYTES,
    MAX_JSON_DEPTH,
    PROTOCOL_VERSION,
    Header,
    Kind,
    pack_json,
    unpack_header,
    unpack_json,
)

U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
HEADERS = st.builds(Header, st.sampled_from(Kind), U64, U64, U64, U64, U32, U32, U32)


@given(HEADERS)
def test_a_header_survives_the_wire(header: Header) -> None:
    assert len(header.pack()) == HEADER_BYTES == 64
    assert unpack_header(header.pack(), header.run, "here") == header


@given(st.binary(max_size=80))
def test_other_bytes_are_refused(frame: bytes) -> None:
    with pytest.raises(ProtocolError, match="^here: "):
        unpack_header(frame, 1, "here")


def test_messages_of_another_run_version_or_kind_are_refused() -> None:
    good = Header(Kind.BATCH, 7).pack()
    with pytest.raises(ProtocolError, match="another run"):
        unpack_header(good, 8, "here")
    with pytest.raises(ProtocolError, match=f"version {PROTOCOL_VERSION + 1}, expected version"):
        unpack_header(good[:4] + bytes([PROTOCOL_VERSION + 1]) + good[5:], 7, "here")
    with pytest.raises(ProtocolError, match="unknown kind 255"):
        unpack_header(good[:6] + b"\xff" + good[7:], 7, "here")


def test_a_header_of_another_kind_is_about_the_same_batch() -> None:
    batch = Header(Kind.BATCH, 7, sequence=3, crossings=10)
    assert batch.as_kind(Kind.DONE) == Header(Kind.DONE, 7, sequence=3, crossings=10)


def test_a_refusal_tells_its_reason() -> None:
    good = Header(Kind.BATCH, 7).pack()
    for frame, run, reason in ((good[:-1], 7, Refusal.HEADER), (good, 8, Refusal.RUN), (b"x" * 64, 7, Refusal.HEADER)):
        with pytest.raises(ProtocolError) as raised:
            unpack_header(frame, run, "here")
        assert raised.value.reason is reason


def test_json_payloads_are_objects() -> None:
    assert unpack_json(pack_json({"a": [1, "b"]}), "here") == {"a": [1, "b"]}
    for frame in (b"[1]", b"{", b"\xff", b"", b"[" * 100_000, b'{"a":' * 100_000, b"null"):
        with pytest.raises(ProtocolError, match="^here: ") as raised:
            unpack_json(frame, "here")
        assert raised.value.reason is Refusal.JSON


@pytest.mark.parametrize("value", ["NaN", "-Infinity", "1e999", "9" * 5000, '"\\ud800"', '"\\udc00\\ud800"'])
def test_values_that_cannot_be_written_again_are_refused(value: str) -> None:
    with pytest.raises(ProtocolError, match="not JSON"):
        unpack_json(f'{{"a": {value}}}'.encode(), "here")


def test_text_beyond_ascii_travels() -> None:
    payload = {"a": "ü → 😀", "b": "\\ud800"}
    assert unpack_json(pack_json(payload), "here") == payload


def test_json_has_limits_of_size_and_depth() -> None:
    with pytest.raises(ProtocolError, match="at most") as raised:
        unpack_json(b" " * (MAX_JSON_BYTES + 1), "here")
    assert raised.value.reason is Refusal.OVERSIZED
    with pytest.raises(ProtocolError, match="at most 10 allowed"):
        unpack_json(b'{"a": "long"}', "here", most=10)
    deepest = b'{"a":' * (MAX_JSON_DEPTH - 1) + b"{}" + b"}" * (MAX_JSON_DEPTH - 1)
    unpack_json(deepest, "here")
    with pytest.raises(ProtocolError, match="deeper than"):
        unpack_json(b'{"a":' + deepest + b"}", "here")
    wide = {"rows": [{"a": [k]} for k in range(1000)]}
    assert unpack_json(pack_json(wide), "here") == wide
