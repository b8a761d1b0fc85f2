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


class Quantity(IntEnum):
    """The quantities of a pair that are looked up coarsely."""

    DELTA_R = 0
    APART_DELTA_R = 1
    MASS = 2
    MASS_UNCONSTRAINED = 3
    TWO_BODY_PT = 4


def _record(*names: str, words: tuple[str, ...] = ()) -> np.dtype[np.void]:
    """A record of 64-bit integers; `words` are unsigned."""
    return np.dtype([(name, np.int64) for name in names] + [(name, np.uint64) for name in words])


OBJECT_TEST: Final = _record(
    "column", "bx_offset", "one", "two", "three", "four", "first_lookup", "end_lookup", "slot_words",
    words=("live_mask", "live_low"),
)  # fmt: skip
"""Up to 64 selections of a group of several objects.

column, bx_offset: of the objects.
live_mask, live_low: an object may pass only if its word, masked with the first, is at least the second.
one to four: the atom words for "at least 1" to "at least 4"; −1 if none of the selections is counted so far.
first_lookup, end_lookup: its look-ups, at least one.
slot_words: index in `Tables.words` of what may pass by slot, or −1 if that is the same for all.
"""

SCALAR: Final = _record("column", "slot", "bx_offset", "atom_word", "first_lookup", "end_lookup")
"""A group of one object per crossing, at most 64 selections, which share the atom word with those of others."""

LOOKUP: Final = _record("base", words=("shift", "mask"))
"""What may pass by the value v = (word >> shift) & mask: n1 words of `words` from base + v × n1 on."""

SIGNALS: Final = _record("source", "bx_offset", "atom_word")
"""A word of the `external` column that is copied to an atom word."""

SEARCH: Final = _record(
    "side", "relation", "atom", "first_leg", "end_leg", "reference", "of_mass", "mass_low", "mass_high"
)
"""A search for different objects, which sets its atom.

side: the `SIDE` of the objects. relation: a `Relation`. Legs are pairs: a bit of the side, and how many objects must
have it. reference: index of a `REFERENCE`, or −1. of_mass: 1 if the mass of three objects must be from mass_low to
mass_high.
"""

TRIAL: Final = _record("of", "bit", "first_key", "end_key", "first_guard", "end_guard")
"""When a pair or a search is tried: one of its keys and all its guards are set, which are atoms.

of: the number of a pair set, bit: its pair; or of: how many sets there are plus the number of a search, bit 0.
"""

ANGLES: Final = _record(
    "eta_sign", "pt_offset", "unconstrained",
    words=("eta_shift", "eta_mask", "phi_shift", "phi_mask", "pt_shift", "pt_mask"),
)  # fmt: skip
"""Where η, φ and pT stand in the words of a `Column`, one record for each.

eta_sign: the sign bit of the η field; no η without a mask. pt_offset: pT in 0.1 GeV is 5 times the index plus this.
unconstrained: 1 for muons, which have an unconstrained pT, and no pT at index 0.
"""

SIDE: Final = _record(
    "column", "slot", "n_slots", "bx_offset", "n_words", "first_lookup", "end_lookup", "slot_words",
    words=("live_mask", "live_low"),
)  # fmt: skip
"""A group whose objects are legs of pairs and searches, or references.

column, slot, n_slots, bx_offset: of the objects; live_mask, live_low: as in `OBJECT_TEST`. The look-ups give the legs
that an object passes, n_words words of bits; each set of pairs has a run of bits in one of them.
"""

LEG: Final = _record("side", "word", "factor", "offset", words=("shift",))
"""One leg of all pairs of a set: they are bits from `shift` on of a word of a `SIDE`.

Angle k becomes factor × k + offset on the grid of the set.
"""

PAIR_SET: Final = _record(
    "first_leg", "same", "scale", "transverse", "atom_word", "eta_words", "phi_words", "charge_words", "limits",
    "first_reference", "end_reference", words=("references", "over_delta_r"),
)  # fmt: skip
"""Up to 64 pairs of the same two groups, a bit each, and an atom word of their own.

first_leg: two `LEG`s; of one side if `same`: both objects are of one group, and different. scale: the `luts.Scale`.
transverse: 1 for transverse masses. eta_words, phi_words: indices in `Tables.words` of the pairs that accept a
difference of indices, charge_words: of those that accept the two charges, 3 × one + other (0 not valid, 1 positive,
2 negative); −1 if no pair asks. limits: the row in `Tables.limits` of the first pair. first_reference, end_reference:
the `REFERENCE`s of the pairs with overlap removal, which are `references`. over_delta_r: pairs with a cut on the mass
over ΔR.
"""

COARSE: Final = _record("base", "outside", words=("mask",))
"""A coarse look-up of a quantity by its bucket: two words, the pairs that surely accept it, and those that may.

outside: 1 if the windows must not be met. mask: the pairs that have a window on the quantity.
"""

REFERENCE: Final = _record(
    "side", "bit", "eta_low", "eta_high", "phi_low", "phi_high", "r_low", "r_high", "first_grid", words=("mask",)
)
"""The reference of an overlap removal: its `SIDE` and bit, windows, a `GRID` for each leg, and pairs that it is for."""

GRID: Final = _record("scale", "column", "factor", "offset", "reference_factor", "reference_offset")
"""How a leg and a reference are compared: scale −1 if they never overlap."""

PROGRAM: Final = _record(
    "bit", "first_step", "end_step", "is_clause", "first_literal", "end_literal", "first_key", "end_key"
)
"""What sets an output bit: a postfix program of literals and `Step`s.

If `is_clause`, it is enough, where its key is set, that all the literals hold.

It can only come out true if one of its key atoms is set; without keys it always can.
"""

COPY: Final = _record("atom_word", "output_word", words=("mask", "rotation"))
"""Atoms of a word that are outputs themselves, and how far left the word is rotated to bring them to their bits."""

KEYS: Final = _record("atom_word", words=("mask",))
"""The atoms of a word of which something depends."""

ATOM: Final = _record("first_trial", "end_trial", "first_output", "end_output")
"""What is done when an atom is set.

Trials of pairs and searches; outputs: a bit that is set at once, or `~program`, which is run.
"""


class Tables(NamedTuple):
    """All that the kernel needs to know of a menu; see the records' descriptions.

    `coarse` is `(pair sets, quantities)`. `limits` is `(64 × pair sets, quantities + 1, 2)`: the least and the greatest
    accepted value; the last is the least mass over ΔR, in two parts of 32 bits.

    Programs from `first_everywhere` on, and the first `n_common_copies` copies, are made for all crossings of a block.
    The others are made where a key atom is set; or, if a block has many of those, for all crossings too. `n_triggers`
    is how many bits and programs depend on keys.
    """

    object_tests: Records
    scalars: Records
    lookups: Records
    words: Words
    signals: Records
    searches: Records
    trials: Records
    programs: Records
    copies: Records
    angles: Records
    sides: Records
    legs: Records
    pair_sets: Records
    coarse: Records
    references: Records
    grids: Records
    limits: NDArray[np.int64]
    luts: NDArray[np.int64]
    inverse_luts: NDArray[np.int64]
    trial_keys: Records
    output_keys: Records
    atoms: Records
    lists: NDArray[np.int64]
    first_everywhere: int
    n_common_copies: int
    n_triggers: int
    n_atom_words: int
    first_scalar_word: int
    n_output_words: int


def n_words_for(n_bits: int) -> int:
    """How many 64-bit words hold so many bits."""
    return -(-n_bits // WORD_BITS)
