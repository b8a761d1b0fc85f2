"""The tables that drive the kernel (`docs/menu-kernel.md`, section "Tables"); `tabulate.py` builds them from a menu.

Atoms are numbered, 64 to an atom word. Words come in this order: for each group of several objects, "at least 1" for
all its selections, then "at least 2", 3 and 4 for the first of them (those that need it come first); then groups with
one object per crossing, which share words; then external signals; then searches.

Tables are structured arrays: one record per group, look-up, and so on. Lists of different lengths lie one after the
other in `Tables.lists`; a record names the first entry of its list and the end.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

WORD_BITS: Final = 64

Words = NDArray[np.uint64]
Records = NDArray[Any]


class Column(IntEnum):
    """The kernel's numbers for the columns."""

    MUON = 0
    EG = 1
    TAU = 2
    JET = 3
    SUMS = 4
    CICADA = 5


class Step(IntEnum):
    """The steps of a program; one that is not negative pushes a literal: 2 × atom, plus 1 for its opposite."""

    NOT = -1
    AND = -2
    XOR = -3
    OR = -4


class Relation(IntEnum):
    """What a search asks of the charges of the muons that it chooses."""

    NONE = 0
    LIKE_SIGN = 1
    OPPOSITE_SIGN = 2


def _record(*names: str, words: tuple[str, ...] = ()) -> np.dtype[np.void]:
    """A record of 64-bit integers; `words` are unsigned."""
    return np.dtype([(name, np.int64) for name in names] + [(name, np.uint64) for name in words])


GROUP: Final = _record(
    "column", "bx_offset", "n1", "n2", "n3", "n4", "counted", "atom_word", "first_lookup", "end_lookup",
    "slot_words", "kept", words=("live_mask", "live_low"),
)  # fmt: skip
"""A group of several objects.

column, bx_offset: of the objects.
live_mask, live_low: an object may pass only if its word, masked with the first, is at least the second.
n1 to n4: atom words for "at least 1" to "at least 4", from atom_word on.
counted: index in `Tables.words` of the selections that are counted beyond 1, a bit each.
first_lookup, end_lookup: its look-ups, at least one.
slot_words: index in `Tables.words` of what may pass by slot, or −1 if that is the same for all.
kept: the words per crossing before those that keep what its objects passed, for the searches; −1 if none needs it.
"""

SCALAR: Final = _record(
    "column", "slot", "bx_offset", "atom_word", "first_lookup", "end_lookup", words=("live_mask", "live_low")
)
"""A group of one object per crossing, at most 64 selections, which share the atom word with those of others."""

LOOKUP: Final = _record("base", words=("shift", "mask"))
"""What may pass by the value v = (word >> shift) & mask: n1 words of `words` from base + v × n1 on."""

SIGNALS: Final = _record("source", "bx_offset", "atom_word")
"""A word of the `external` column that is copied to an atom word."""

SEARCH: Final = _record("group", "relation", "atom", "first_guard", "end_guard", "first_leg", "end_leg")
"""A search for different objects, which sets its atom.

group: the objects. relation: a `Relation`. Guards are atoms that must all be set. Legs are pairs: the position of a
selection in the group, and how many objects must pass it.
"""

PROGRAM: Final = _record("bit", "first_step", "end_step", "is_clause", "first_key", "end_key")
"""What sets an output bit: a postfix program of literals and `Step`s; if `is_clause`, literals that must all hold.

It can only come out true if one of its key atoms is set; without keys it always can.
"""

KEYS: Final = _record("atom_word", words=("mask",))
"""The atoms of a word of which something depends."""

ATOM: Final = _record("first_search", "end_search", "first_output", "end_output")
"""What is done when an atom is set: searches, and outputs: a bit that is set at once, or `~program`, which is run."""


class Tables(NamedTuple):
    """All that the kernel needs to know of a menu; see the records' descriptions.

    Programs from `first_everywhere` on are run for all crossings of a block, the others where a key atom is set.
    """

    groups: Records
    scalars: Records
    lookups: Records
    words: Words
    signals: Records
    searches: Records
    programs: Records
    search_keys: Records
    output_keys: Records
    atoms: Records
    lists: NDArray[np.int64]
    first_everywhere: int
    n_atom_words: int
    first_scalar_word: int
    n_kept_words: int
    n_output_words: int
