"""What the kernel works on: the columns of a batch, and what it knows of a block of crossings."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from triggers.events.schema import MAX_BX_OFFSET, N_CALO_OBJECTS
from triggers.menu.tables import WORD_BITS, Tables, Words, n_words_for

WINDOW: Final = 2 * MAX_BX_OFFSET + 1
"""Crossings that a menu can look at."""

SLOTS: Final = 16
"""More than a crossing has objects of a type; a power of two."""

MAX_STACK: Final = 64
"""The deepest stack of a program."""

MAX_LEGS: Final = N_CALO_OBJECTS
"""The largest number of objects in a condition."""

N_NUMBERS: Final = 4
ETA, PHI, PT, CHARGE = range(N_NUMBERS)
"""What is kept of each object of a pair."""

BLOCK: Final = 512
"""Crossings that are worked on together: enough that what is done once for a block hardly counts."""

STRIDE: Final = 8
"""Crossings that are passed over at once where nothing is set in any of them."""


class Events(NamedTuple):
    """The columns of a batch, contiguous and read-only; those that the menu does not need have no rows.

    Attributes:
        n: crossings.
        muon: `(n, 8) uint64`.
        eg: `(n, 12) uint32`, as are tau, jet and sums.
        tau: see `eg`.
        jet: see `eg`.
        sums: see `eg`.
        external: `(n, 4) uint64`.
        slots: `(n,) int64`, the 25 ns slot; needed for conditions on neighbouring crossings.
        context: `(n,) bool`, rows that are only neighbours; no rows if there are none.
    """

    n: int
    muon: NDArray[np.uint64]
    eg: NDArray[np.uint32]
    tau: NDArray[np.uint32]
    jet: NDArray[np.uint32]
    sums: NDArray[np.uint32]
    external: NDArray[np.uint64]
    slots: NDArray[np.int64]
    context: NDArray[np.bool_]


class Block(NamedTuple):
    """What is known of the crossings of a block; indexed [word, crossing], so that crossings are neighbours in memory.

    Attributes:
        rows: `(5, block)`: the row of each crossing's neighbour, by crossing offset + 2; −1 if the batch has none.
        atoms: `(atom words, block)`.
        first_object: `(groups, block + 1)`: where the objects of each crossing begin among those of the group.
        objects: `(groups, block * 12)`: words of the objects that may pass something.
        places: `(groups, block * 12)`: the crossing i of the block and the slot of each, as 16 i + slot.
        kept: `(words,)`: what the objects of searched groups passed.
        out: `(output words, block)`.
        scratch: `(64, block)`: values by crossing.
        union: `(atom words,)`: the atoms that are set in some crossing of the block.
        pending: `(words, block)`: the sets of pairs that are to be tried, a bit each.
        wanted: `(sets, block)`: which pairs of a pending set are to be tried.
        raw: `(32,)`: words of the objects of a pair's two sides; the second begins at 16.
        legs: `(32,)`: the legs that each of them passes.
        numbers: `(4, 32)`: their η, φ, pT and charge.
        references: `(64, 16)`: words of the passing objects of each reference of a set.
        n_references: `(64,)`: how many.
        passed: `(16,)`: as `legs`, of the references.
        measured: `(4, 16)`: as `numbers`, of the references.
        candidates: `(12,)`: the objects that may be chosen for each leg of a search.
        counts: `(12,)`: how many each leg needs.
    """

    rows: NDArray[np.int64]
    atoms: Words
    first_object: NDArray[np.int64]
    objects: Words
    places: NDArray[np.int64]
    kept: Words
    out: Words
    scratch: Words
    union: Words
    pending: Words
    wanted: Words
    raw: Words
    legs: Words
    numbers: NDArray[np.int64]
    references: Words
    n_references: NDArray[np.int64]
    passed: Words
    measured: NDArray[np.int64]
    candidates: Words
    counts: NDArray[np.int64]


def new_block(tables: Tables) -> Block:
    """Working memory for one thread that evaluates the tables."""
    n_groups = len(tables.groups)
    return Block(
        rows=np.zeros((WINDOW, BLOCK), np.int64),
        atoms=np.zeros((tables.n_atom_words, BLOCK), np.uint64),
        first_object=np.zeros((n_groups, BLOCK + 1), np.int64),
        objects=np.zeros((n_groups, BLOCK * N_CALO_OBJECTS), np.uint64),
        places=np.zeros((n_groups, BLOCK * N_CALO_OBJECTS), np.int64),
        kept=np.zeros(tables.n_kept_words * BLOCK, np.uint64),
        out=np.zeros((tables.n_output_words, BLOCK), np.uint64),
        scratch=np.zeros((MAX_STACK, BLOCK), np.uint64),
        union=np.zeros(tables.n_atom_words, np.uint64),
        pending=np.zeros((n_words_for(len(tables.pair_sets)), BLOCK), np.uint64),
        wanted=np.zeros((len(tables.pair_sets), BLOCK), np.uint64),
        raw=np.zeros(2 * SLOTS, np.uint64),
        legs=np.zeros(2 * SLOTS, np.uint64),
        numbers=np.zeros((N_NUMBERS, 2 * SLOTS), np.int64),
        references=np.zeros((WORD_BITS, SLOTS), np.uint64),
        n_references=np.zeros(WORD_BITS, np.int64),
        passed=np.zeros(SLOTS, np.uint64),
        measured=np.zeros((N_NUMBERS, SLOTS), np.int64),
        candidates=np.zeros(MAX_LEGS, np.uint64),
        counts=np.zeros(MAX_LEGS, np.int64),
    )
