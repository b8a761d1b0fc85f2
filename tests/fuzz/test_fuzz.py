"""Everything that reads bytes of a peer takes or refuses them, and raises nothing else (docs/security.md, "Fuzzing").

`python -m tests.fuzz --inputs 10000000` is the long run; here a short one of each target.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.errors import ProtocolError
from stream.wire.messages import MAX_FRAMES, Kind
from tests.fuzz.campaign import campaign
from tests.fuzz.targets import CORPUS, RUN, TARGETS, Target

SHORT = 200_000
MAX_CORPUS_BYTES = 200_000
SHARES = sum(target.share for target in TARGETS)
BY_NAME = {target.name: target for target in TARGETS}
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=40,
)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_damaged_inputs_are_taken_or_refused(target: Target) -> None:
    tally = campaign(target, SHORT * target.share // SHARES, seed=7, corpus=CORPUS)
    assert not tally.findings, tally.findings[:3]
    assert tally.taken, "no input got to the end: the mutations are too coarse"
    assert tally.refused.total() > tally.inputs / 2, "the mutations are too fine"


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_good_inputs_are_taken_and_kept_ones_still_say_nothing_worse(target: Target) -> None:
    assert any(_is_taken(target, seed) for seed in target.seeds())
    for data in target.corpus():
        _is_taken(target, data)


@pytest.mark.heavy
def test_ten_million_inputs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--inputs", "10000000", "--jobs", "2", "--keep", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=3000)
    result = json.loads(ended.stdout.splitlines()[-1])
    assert (ended.returncode, result["findings"]) == (0, 0), ended.stderr
    assert result["inputs"] >= 10_000_000


def test_a_reader_that_breaks_is_found() -> None:
    def careless(data: bytes) -> object:
        (length,) = struct.unpack_from("<I", data, 4)
        if length > len(data):
            raise ProtocolError("here", "too short")
        return data[length]

    target = Target(TARGETS[0].name, careless, lambda: [b"L1CH\x08\0\0\0payload"], 1)
    tally = campaign(target, 2_000, seed=1, corpus=Path("no-corpus"))
    assert {error.partition("(")[0] for _, error in tally.findings} == {"error", "IndexError"}


def test_the_same_seed_makes_the_same_inputs() -> None:
    first, again, other = (campaign(BY_NAME["message"], 5_000, seed, CORPUS) for seed in (3, 3, 4))
    assert (first.taken, first.refused) == (again.taken, again.refused) != (other.taken, other.refused)


def test_the_corpus_is_small() -> None:
    files = list(CORPUS.rglob("*.bin"))
    assert {path.parent.name for path in files} <= set(BY_NAME)
    assert sum(path.stat().st_size for path in files) < MAX_CORPUS_BYTES


@settings(max_examples=300)
@given(JSON_VALUES)
def test_any_json_value_is_taken_or_refused(value: object) -> None:
    taken = _is_taken(BY_NAME["json"], json.dumps(value).encode())
    assert not taken or isinstance(value, dict)


@settings(max_examples=300)
@given(
    kind=st.sampled_from(Kind) | st.integers(0, 2**16 - 1),
    run=st.just(RUN) | st.integers(0, 2**64 - 1),
    numbers=st.lists(st.integers(0, 2**64 - 1), min_size=5, max_size=5),
    payload=st.lists(st.binary(max_size=200) | JSON_VALUES.map(lambda v: json.dumps(v).encode()[:255]), max_size=5),
)
def test_any_well_formed_header_with_any_payload_is_taken_or_refused(
    kind: int, run: int, numbers: list[int], payload: list[bytes]
) -> None:
    head = struct.pack("<4sHHQ", b"L1CH", 2, kind, run) + struct.pack("<5QQ", *numbers, 0)
    frames = [b"sender", head[:64], *payload]
    lengths = bytes([len(frames) - 1, *(len(frame) for frame in frames[:-1])]).ljust(8, b"\0")
    _is_taken(BY_NAME["message"], lengths + b"".join(frames))


def test_the_limit_of_frames_leaves_room_for_every_column() -> None:
    from triggers.events.schema import FULL

    assert len(FULL) + 3 < MAX_FRAMES


def _is_taken(target: Target, data: bytes) -> bool:
    try:
        target.read(data)
    except ProtocolError:
        return False
    return True
