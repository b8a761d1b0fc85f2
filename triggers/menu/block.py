"""What the kernel works on: the columns of a batch, and what it knows of a block of crossings."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from triggers.events.schema import MAX_BX_OFFSET, N_CALO_OBJECTS
from triggers.menu.tables import Tables, Words

WINDOW: Final = 2 * MAX_BX_OFFSET + 1
"""Crossings that a menu can look at."""

SLOTS: Final = 16
"""More than a crossing has objects of a type; a power of two."""

MAX_STACK: Final = 64
"""The deepest stack of a program."""

MAX_LEGS: Final = N_CALO_OBJECTS
"""The largest number of objects in a condition."""

N_COMBINATIONS: Final = 2048
"""Combinations of two objects that are tested together; few enough that they stay in the nearest cache."""

BLOCK: Final = 512
"""Crossings that are worked on together: enough that what is done once for a block hardly counts."""

ROW: Final = BLOCK + 8
"""Length of arrays by crossing: with 512, the same crossing of all words would meet in one set of the cache."""

SAMPLE: Final = 64
"""Crossings of a block that tell whether many atoms are set in it."""


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
        out: `(output words, block)`.
        scratch: `(64, block)`: values by crossing.
        union: `(atom words,)`: the atoms that are set in some crossing of the block.
        wanted: `(sets + searches, block)`: which pairs of a set, or 1 if a search, are to be tried; 0 between blocks.
        pending: `(sets + searches, block)`: the crossings in which any are, in any order.
        n_pending: `(sets + searches,)`: how many crossings.
        start: `(sides, block)`: where the objects of each crossing begin in the list of the side; −1 if not listed.
        end: `(sides, block)`: and where they end.
        n_listed: `(sides,)`: the length of each list.
        listed: `(sides, block * 12)`: words of the objects that pass some leg.
        owner: `(sides, block * 12)`: their crossings.
        legs: `(sides, block * 12 * words)`: the legs that they pass, `SIDE.n_words` words each.
        chosen: `(2, block * 12)`: words of the objects that combinations may have as the one, or the other; from 1 on.
        chosen_crossing: `(2, block * 12)`: their crossings; −1 at 0.
        first_legs: `(2, block * 12)`: the wanted pairs whose first leg they pass; or their only leg if the pairs are of
            two groups.
        second_legs: `(2, block * 12)`: the wanted pairs whose second leg they pass; or their only leg.
        end_chosen: `(block,)`: where those that combinations of a crossing may have as the one end.
        those: `(combinations,)`: the combinations for which references are looked for.
        crossings: `(combinations,)`: their crossings.
        combined: `(2, combinations)`: words of the two objects of each combination.
        places: `(combinations,)`: their crossings.
        left: `(combinations,)`: the pairs that they have not failed.
        eta: `(combinations,)`: differences of their η indices.
        phi: `(combinations,)`: differences of their φ indices.
        numbers: `(2, combinations)`: a number of each of the two.
        value: `(combinations,)`: a number of the two together.
        bucket: `(combinations,)`: its bucket.
        candidates: `(12,)`: the objects that may be chosen for each leg of a search.
        counts: `(12,)`: how many each leg needs.
    """

    rows: NDArray[np.int64]
    atoms: Words
    out: Words
    scratch: Words
    union: Words
    wanted: Words
    pending: NDArray[np.int64]
    n_pending: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    n_listed: NDArray[np.int64]
    listed: Words
    owner: NDArray[np.int64]
    legs: Words
    chosen: Words
    chosen_crossing: NDArray[np.int64]
    first_legs: Words
    second_legs: Words
    end_chosen: Words
    those: NDArray[np.int64]
    crossings: NDArray[np.int64]
    combined: Words
    places: NDArray[np.int64]
    left: Words
    eta: NDArray[np.int64]
    phi: NDArray[np.int64]
    numbers: NDArray[np.int64]
    value: NDArray[np.int64]
    bucket: NDArray[np.int64]
    candidates: Words
    counts: NDArray[np.int64]


def new_block(tables: Tables) -> Block:
    """Working memory for one thread that evaluates the tables."""
    n_sides, n_tried = len(tables.sides), len(tables.pair_sets) + len(tables.searches)
    n_objects = BLOCK * N_CALO_OBJECTS + 2
    leg_words = int(max(tables.sides["n_words"], default=1))
    return Block(
        rows=np.zeros((WINDOW, ROW), np.int64),
        atoms=np.zeros((tables.n_atom_words, ROW), np.uint64),
        out=np.zeros((tables.n_output_words, ROW), np.uint64),
        scratch=np.zeros((MAX_STACK, ROW), np.uint64),
        union=np.zeros(tables.n_atom_words, np.uint64),
        wanted=np.zeros((n_tried, ROW), np.uint64),
        pending=np.zeros((n_tried, ROW), np.int64),
        n_pending=np.zeros(n_tried, np.int64),
        start=np.zeros((n_sides, ROW), np.int64),
        end=np.zeros((n_sides, ROW), np.int64),
        n_listed=np.zeros(n_sides, np.int64),
        listed=np.zeros((n_sides, n_objects), np.uint64),
        owner=np.zeros((n_sides, n_objects), np.int64),
        legs=np.zeros((n_sides, n_objects * leg_words), np.uint64),
        chosen=np.zeros((2, n_objects), np.uint64),
        chosen_crossing=np.full((2, n_objects), -1),
        first_legs=np.zeros((2, n_objects), np.uint64),
        second_legs=np.zeros((2, n_objects), np.uint64),
        end_chosen=np.zeros(BLOCK, np.uint64),
        those=np.zeros(N_COMBINATIONS, np.int64),
        crossings=np.zeros(N_COMBINATIONS, np.int64),
        combined=np.zeros((2, N_COMBINATIONS), np.uint64),
        places=np.zeros(N_COMBINATIONS, np.int64),
        left=np.zeros(N_COMBINATIONS, np.uint64),
        eta=np.zeros(N_COMBINATIONS, np.int64),
        phi=np.zeros(N_COMBINATIONS, np.int64),
        numbers=np.zeros((2, N_COMBINATIONS), np.int64),
        value=np.zeros(N_COMBINATIONS, np.int64),
        bucket=np.zeros(N_COMBINATIONS, np.int64),
        candidates=np.zeros(MAX_LEGS, np.uint64),
        counts=np.zeros(MAX_LEGS, np.int64),
    )
