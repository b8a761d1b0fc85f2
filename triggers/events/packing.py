"""The bit layouts of the packed words, and words ↔ fields (`docs/formats.md`, section "Packed words")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from triggers.events.schema import N_SUMS


@dataclass(frozen=True)
class Field:
    """A run of bits in a packed word: the lowest bit, how many, and whether they are two's complement."""

    shift: int
    bits: int
    signed: bool = False

    @property
    def mask(self) -> int:
        """The field's bits at position 0."""
        return (1 << self.bits) - 1

    @property
    def allowed(self) -> tuple[int, int]:
        """The least and the greatest value that the field can hold."""
        return (-(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1) if self.signed else (0, self.mask)

    def get(self, words: ArrayLike) -> NDArray[np.int64]:
        """The field's values in `words`, same shape, `int64`."""
        raw = ((np.asarray(words).astype(np.uint64) >> np.uint64(self.shift)) & np.uint64(self.mask)).astype(np.int64)
        return np.where(raw >> (self.bits - 1), raw - (1 << self.bits), raw) if self.signed else raw

    def put(self, values: ArrayLike) -> NDArray[np.uint64]:
        """The values shifted to the field's place, `uint64`, ready to be or-ed into words.

        Raises:
            TypeError: the values are not integers.
            OverflowError: a value does not fit in the field.
        """
        given = np.asarray(values)
        if given.size and given.dtype.kind not in "iub":
            raise TypeError(f"a packed field holds integers, not {given.dtype}")
        numbers = given.astype(np.int64)
        low, high = self.allowed
        if numbers.size and (numbers.min() < low or numbers.max() > high):
            raise OverflowError(f"values {numbers.min()}..{numbers.max()} do not fit in {low}..{high}")
        return (numbers & self.mask).astype(np.uint64) << np.uint64(self.shift)


MUON: Final = {
    "phi": Field(0, 10),
    "pt": Field(10, 9),
    "quality": Field(19, 4),
    "eta": Field(23, 9, signed=True),
    "isolation": Field(32, 2),
    "charge_negative": Field(34, 1),
    "charge_valid": Field(35, 1),
    "index": Field(36, 7),
    "phi_raw": Field(43, 10),
    "pt_unconstrained": Field(53, 8),
    "shower": Field(61, 1),
    "impact_parameter": Field(62, 2),
}
EG: Final = {
    "et": Field(0, 9),
    "eta": Field(9, 8, signed=True),
    "phi": Field(17, 8),
    "isolation": Field(25, 2),
}
TAU: Final = dict(EG)
JET: Final = {
    "et": Field(0, 11),
    "eta": Field(11, 8, signed=True),
    "phi": Field(19, 8),
    "displaced": Field(27, 1),
    "quality": Field(28, 2),
}
OBJECTS: Final = {"muon": MUON, "eg": EG, "tau": TAU, "jet": JET}
"""The fields of each object column."""

SUMS: Final = {
    "ett": (0, Field(0, 12)),
    "ettem": (0, Field(12, 12)),
    "mbt0hfp": (0, Field(28, 4)),
    "htt": (1, Field(0, 12)),
    "towercount": (1, Field(12, 13)),
    "mbt0hfm": (1, Field(28, 4)),
    "etm": (2, Field(0, 12)),
    "etm_phi": (2, Field(12, 8)),
    "asymet": (2, Field(20, 8)),
    "mbt1hfp": (2, Field(28, 4)),
    "htm": (3, Field(0, 12)),
    "htm_phi": (3, Field(12, 8)),
    "asymht": (3, Field(20, 8)),
    "mbt1hfm": (3, Field(28, 4)),
    "etmhf": (4, Field(0, 12)),
    "etmhf_phi": (4, Field(12, 8)),
    "asymethf": (4, Field(20, 8)),
    "centrality_low": (4, Field(28, 4)),
    "htmhf": (5, Field(0, 12)),
    "htmhf_phi": (5, Field(12, 8)),
    "asymhthf": (5, Field(20, 8)),
    "centrality_high": (5, Field(28, 4)),
    "cicada_3": (6, Field(28, 4)),
    "cicada_2": (7, Field(28, 4)),
    "zdcm": (7, Field(0, 10)),
    "cicada_1": (8, Field(28, 4)),
    "zdcp": (8, Field(0, 10)),
    "cicada_0": (9, Field(28, 4)),
}
"""Word of the `sums` column and field in it, for each quantity; `cicada_3` is the score's highest nibble."""

SHOWER_MUON: Final = {"MUS0": 0, "MUS1": 2, "MUS2": 3, "MUSOOT0": 4, "MUSOOT1": 6}
"""The muon slot whose shower bit carries each muon-shower flag."""


def sum_values(sums: NDArray[np.uint32], quantity: str) -> NDArray[np.int64]:
    """One quantity of the `sums` column, `(n, 12) uint32` → `(n,) int64`."""
    word, field = SUMS[quantity]
    return field.get(sums[:, word])


def cicada_scores(sums: NDArray[np.uint32]) -> NDArray[np.int64]:
    """The 16-bit CICADA score (8.8 fixed point) from four words of the `sums` column, `(n,) int64`."""
    score = np.zeros(len(sums), np.int64)
    for nibble in range(4):
        score |= sum_values(sums, f"cicada_{nibble}") << (4 * nibble)
    return score


def cicada_nibbles(scores: ArrayLike) -> dict[str, NDArray[np.int64]]:
    """The four quantities of `pack_sums` that hold 16-bit CICADA scores (8.8 fixed point)."""
    values = np.asarray(scores, np.int64)
    return {f"cicada_{nibble}": (values >> (4 * nibble)) & 0xF for nibble in range(4)}


def pack_sums(**quantities: ArrayLike) -> NDArray[np.uint32]:
    """The `sums` column, `(n, 12) uint32`, from quantities `(n,)` named as in `SUMS`; those not given are zero.

    Raises:
        KeyError: no such quantity.
        OverflowError: a value does not fit in its field.
    """
    shape = np.broadcast_shapes((1,), *(np.shape(values) for values in quantities.values()))
    words = np.zeros((*shape, N_SUMS), np.uint32)
    for name, values in quantities.items():
        word, field = SUMS[name]
        words[..., word] |= field.put(values).astype(np.uint32)
    return words


def set_bits(words: ArrayLike) -> NDArray[np.int64]:
    """The numbers of the bits that are set in a row of 64-bit words, ascending; bit 64 is bit 0 of the second word."""
    octets = np.ascontiguousarray(words, "<u8").view(np.uint8)
    return np.flatnonzero(np.unpackbits(octets, bitorder="little"))


def pack(column: str, **fields: ArrayLike) -> NDArray[np.uint64]:
    """Words of `muon`, `eg`, `tau` or `jet` from their fields, `uint64`; fields that are not given are zero.

    Raises:
        KeyError: no such column or field.
        OverflowError: a value does not fit in its field.
    """
    layout = OBJECTS[column]
    words = np.zeros(np.broadcast_shapes(*(np.shape(v) for v in fields.values())), np.uint64)
    for name, values in fields.items():
        words = words | layout[name].put(values)
    return words


def unpack(column: str, words: ArrayLike) -> dict[str, NDArray[np.int64]]:
    """Every field of the words of `muon`, `eg`, `tau` or `jet`, by name, in hardware units."""
    return {name: field.get(words) for name, field in OBJECTS[column].items()}
