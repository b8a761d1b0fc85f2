"""Packed words and their fields (docs/formats.md, "Packed words")."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggers.events import packing
from triggers.events.packing import MUON, OBJECTS, SUMS

COLUMNS = sorted(OBJECTS)
WIDTHS = {"muon": 64, "eg": 32, "tau": 32, "jet": 32}


def field_values(column: str) -> st.SearchStrategy[dict[str, int]]:
    layout = OBJECTS[column]
    return st.fixed_dictionaries({name: st.integers(*field.allowed) for name, field in layout.items()})


@pytest.mark.parametrize("column", COLUMNS)
def test_fields_lie_side_by_side_within_the_word(column: str) -> None:
    taken = [bit for field in OBJECTS[column].values() for bit in range(field.shift, field.shift + field.bits)]
    assert len(taken) == len(set(taken))
    assert max(taken) < WIDTHS[column]


@pytest.mark.parametrize("column", COLUMNS)
@given(data=st.data())
def test_fields_survive_packing(column: str, data: st.DataObject) -> None:
    fields = data.draw(field_values(column))
    words = packing.pack(column, **fields)
    assert {name: int(value) for name, value in packing.unpack(column, words).items()} == fields


@given(word=st.integers(0, 2**64 - 1))
def test_a_muon_word_survives_unpacking(word: int) -> None:
    fields = packing.unpack("muon", np.array([word], np.uint64))
    assert packing.pack("muon", **fields).tolist() == [word]


def test_the_worked_muons_of_the_reference() -> None:
    fields = packing.unpack("muon", np.array([0x804B789B4FF0298F, 0x008A50AF6E38152E], np.uint64))
    expected = {
        "pt": [10, 5],
        "eta": [159, 220],
        "phi": [399, 302],
        "quality": [14, 7],
        "charge_valid": [1, 1],
        "charge_negative": [0, 1],
        "index": [9, 10],
        "phi_raw": [367, 330],
        "pt_unconstrained": [2, 4],
        "impact_parameter": [2, 0],
    }
    assert {name: fields[name].tolist() for name in expected} == expected


def test_negative_eta_is_twos_complement() -> None:
    assert packing.pack("jet", eta=-1) == 0xFF << 11
    assert packing.pack("muon", eta=-1) == 0x1FF << 23


@pytest.mark.parametrize(("name", "value"), [("pt", 512), ("pt", -1), ("eta", 256), ("eta", -257)])
def test_a_value_too_large_for_its_field_is_refused(name: str, value: int) -> None:
    with pytest.raises(OverflowError, match=str(value)):
        packing.pack("muon", **{name: value})


def test_fractions_are_refused() -> None:
    with pytest.raises(TypeError, match="integers"):
        MUON["pt"].put(2.5)


@given(
    st.fixed_dictionaries({name: st.integers(*field.allowed) for name, (_, field) in SUMS.items() if name != "ettem"})
)
def test_sums_survive_packing(quantities: dict[str, int]) -> None:
    words = packing.pack_sums(**quantities)
    assert words.shape == (1, 12)
    assert {name: int(packing.sum_values(words, name)[0]) for name in quantities} == quantities


@given(st.lists(st.integers(0, 2**16 - 1), min_size=1, max_size=5))
def test_cicada_scores_survive_packing(scores: list[int]) -> None:
    words = packing.pack_sums(**packing.cicada_nibbles(scores))
    assert packing.cicada_scores(words).tolist() == scores


def test_the_highest_cicada_nibble_is_in_the_first_link_word() -> None:
    assert packing.pack_sums(**packing.cicada_nibbles(0x1234))[0, 6:10].tolist() == [
        0x1 << 28,
        0x2 << 28,
        0x3 << 28,
        0x4 << 28,
    ]


@given(st.sets(st.integers(0, 511)))
def test_set_bits_are_numbered_from_the_lowest_word(bits: set[int]) -> None:
    value = sum(1 << bit for bit in bits)
    words = np.array([value >> (64 * word) & (2**64 - 1) for word in range(8)], np.uint64)
    assert packing.set_bits(words).tolist() == sorted(bits)
