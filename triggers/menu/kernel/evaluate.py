"""The outermost compiled function: crossings are worked on in blocks.

Objects, sums and signals set atoms; searches and pairs set further atoms; atoms set output bits; crossings with output
bits are written out.
"""
# mypy: allow-untyped-decorators, disable-error-code="no-any-return, return-value"

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from triggers.events.schema import MAX_BX_OFFSET
from triggers.menu.block import BLOCK, Block, Events
from triggers.menu.kernel.angles import OPTIONS, Ints
from triggers.menu.kernel.objects import gather, test_objects, test_scalar
from triggers.menu.kernel.outputs import set_outputs
from triggers.menu.kernel.pairs import run_pairs
from triggers.menu.kernel.searches import run_searches
from triggers.menu.kernel.trials import choose_trials
from triggers.menu.tables import Tables, Words

SOURCES: Final = ("block.py", "buckets.py", "limits.py", "luts.py", "tables.py", "word_bits.py")
"""Files beside the package that compiled functions depend on."""

DIGEST_BYTES: Final = 7

_ONE = np.uint64(1)


def evaluate_tables(tables: Tables, events: Events, block: Block) -> tuple[NDArray[np.uint32], Words]:
    """The output bits of a batch.

    Args:
        tables: a menu's `Tables`.
        events: the batch's `Events`.
        block: working memory that no other thread uses, from `new_block`.

    Returns:
        rows `(k,) uint32`, ascending, and their words `(k, n_output_words) uint64`: crossings with any bit.
    """
    rows = np.empty(events.n, np.uint32)
    words = np.empty((events.n, tables.n_output_words), np.uint64)
    found = evaluate_compiled(tables, events, block, rows, words)
    return rows[:found], words[:found]


@njit(**OPTIONS)
def _find_neighbours(slots: Ints, start: int, n: int, rows: Ints) -> None:
    """Finds the rows of the neighbours in time, which are at most two rows away, as rows are in time order."""
    for i in range(n):
        rows[MAX_BX_OFFSET, i] = start + i
    if len(slots) == 0:
        return
    first, end = max(start - 1, 0), min(start + n, len(slots) - 1)
    if not _are_near(slots, first, end):
        rows[:MAX_BX_OFFSET] = -1
        rows[MAX_BX_OFFSET + 1 :] = -1
        return
    for offset in range(1, MAX_BX_OFFSET + 1):
        for i in range(n):
            before, after = -1, -1
            row = start + i
            for distance in range(1, offset + 1):
                if row + distance < len(slots) and slots[row + distance] - slots[row] == offset:
                    after = row + distance
                if row >= distance and slots[row] - slots[row - distance] == offset:
                    before = row - distance
            rows[MAX_BX_OFFSET + offset, i] = after
            rows[MAX_BX_OFFSET - offset, i] = before


@njit(**OPTIONS)
def _are_near(slots: Ints, first: int, end: int) -> bool:
    """Whether any of the given rows has the next row so near in time that a menu can look at it."""
    near = np.int64(0)
    for row in range(np.uint64(first), np.uint64(end)):
        near += np.int64(slots[row + _ONE] - slots[row] <= MAX_BX_OFFSET)
    return near > 0


@njit(**OPTIONS)
def _write_out(
    context: NDArray[np.bool_], start: int, n: int, out: Words, any_bit: Words, rows: NDArray[np.uint32],
    words: Words, found: int,
) -> int:  # fmt: skip
    """Appends the crossings of a block that have an output bit and are not only context."""
    for i in range(n):
        any_bit[i] = 0
    for w in range(len(out)):
        for i in range(n):
            any_bit[i] |= out[w, i]
    for i in range(n):
        if len(context) and context[start + i]:
            continue
        if any_bit[i]:
            rows[found] = start + i
            for w in range(len(out)):
                words[found, w] = out[w, i]
            found += 1
    return found


def _digest_of_sources() -> int:
    """A digest of the files that compiled functions stand in or take constants from."""
    folder = Path(__file__).resolve().parent
    files = [*sorted(folder.glob("*.py")), *(folder.parent / name for name in SOURCES)]
    content = hashlib.sha256(b"".join(file.read_bytes() for file in files))
    return int.from_bytes(content.digest()[:DIGEST_BYTES], "little")


def _compiled_from(digest: int) -> Any:
    """The compiled function.

    Numba's cache only notices changes of this file, but the constants of a function belong to its key there.

    Args:
        digest: of the sources.
    """

    @njit(**OPTIONS, cache=True)
    def evaluate_compiled(tables: Tables, events: Events, block: Block, rows: NDArray[np.uint32], words: Words) -> int:
        """Fills rows and words as `evaluate_tables` returns them, and returns how many there are."""
        if digest < 0:  # never; the digest belongs to the function's key
            return 0
        found = 0
        for start in range(0, events.n, BLOCK):
            n = min(BLOCK, events.n - start)
            _find_neighbours(events.slots, start, n, block.rows)
            block.atoms[tables.first_scalar_word :] = 0
            block.out[:] = 0
            for number in range(len(tables.object_tests)):
                test_objects(tables.object_tests[number], tables.lookups, tables.words, events, n, block)
            for scalar in range(len(tables.scalars)):
                test_scalar(tables.scalars[scalar], tables.lookups, tables.words, events, n, block)
            for source in range(len(tables.signals)):
                signals = tables.signals[source]
                rows_there = block.rows[signals.bx_offset + MAX_BX_OFFSET]
                gather(events.external, signals.source, rows_there, n, block.atoms[signals.atom_word])
            block.start[:] = -1
            block.n_listed[:] = 0
            choose_trials(tables, n, block)
            run_searches(tables, events, block)
            run_pairs(tables, events, block)
            set_outputs(tables, n, block)
            found = _write_out(events.context, start, n, block.out, block.scratch[0], rows, words, found)
        return found

    return evaluate_compiled


evaluate_compiled: Final = _compiled_from(_digest_of_sources())
"""The one compiled function: tables, events, working memory → how many rows of the output were filled."""
