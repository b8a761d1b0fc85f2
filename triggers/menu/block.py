"""What the kernel works on: the columns of a batch, and what it knows of a block of crossings."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triggers.menu.tables import Words


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
