"""The header of every message (docs/protocol.md, section "Frames")."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import ProtocolError
from stream.wire.messages import HEADER_BYTES, Header, Kind, pack_json, unpack_header, unpack_json

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
    with pytest.raises(ProtocolError, match="version 2, expected version 1"):
        unpack_header(good[:4] + b"\x02" + good[5:], 7, "here")
    with pytest.raises(ProtocolError, match="unknown kind 255"):
        unpack_header(good[:6] + b"\xff" + good[7:], 7, "here")


def test_a_header_of_another_kind_is_about_the_same_batch() -> None:
    batch = Header(Kind.BATCH, 7, sequence=3, crossings=10)
    assert batch.as_kind(Kind.DONE) == Header(Kind.DONE, 7, sequence=3, crossings=10)


def test_json_payloads_are_objects() -> None:
    assert unpack_json(pack_json({"a": [1, "b"]}), "here") == {"a": [1, "b"]}
    for frame in (b"[1]", b"{", b"\xff", b"[" * 100_000):
        with pytest.raises(ProtocolError, match="^here: "):
            unpack_json(frame, "here")
