"""Where in a block key atoms are set (`docs/menu-kernel.md`, section "Keys")."""
# mypy: allow-untyped-decorators, disable-error-code="no-any-return, return-value"

from __future__ import annotations

import numpy as np
from numba import njit

from triggers.menu.block import SAMPLE
from triggers.menu.kernel.angles import OPTIONS
from triggers.menu.tables import WORD_BITS, Records, Words
from triggers.menu.word_bits import bit_count


@njit(**OPTIONS)
def are_many(keys: Records, atoms: Words, n: int, per_crossing: float) -> bool:
    """Whether more key atoms are set per crossing, in the first few."""
    hits, sample = np.int64(0), min(n, SAMPLE)
    for k in range(len(keys)):
        word, mask = atoms[keys[k].atom_word], keys[k].mask
        for i in range(sample):
            hits += np.int64(bit_count(word[i] & mask))
    return hits > per_crossing * sample


@njit(**OPTIONS)
def mark_hits(keys: Records, first: int, atoms: Words, n: int, marks: Words) -> None:
    """Marks in each crossing which of 64 `KEYS` from `first` on have an atom set there, a bit each."""
    for i in range(n):
        marks[i] = 0
    for k in range(first, min(first + WORD_BITS, len(keys))):
        word, mask, mark = atoms[keys[k].atom_word], keys[k].mask, np.uint64(1) << np.uint64(k - first)
        for i in range(n):
            marks[i] |= mark if word[i] & mask else np.uint64(0)


@njit(**OPTIONS)
def union_of(words: Words, n: int) -> np.uint64:
    """The bits that are set in any of the first n words."""
    union = np.uint64(0)
    for i in range(n):
        union |= words[i]
    return union
