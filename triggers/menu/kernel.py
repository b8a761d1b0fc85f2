"""The compiled evaluator: one function for all menus, driven by tables (`docs/menu-kernel.md`).

Crossings are worked on in blocks, in four steps: objects, sums and signals set atoms; searches set further atoms;
atoms set output bits; crossings with output bits are written out. All compiled loops stand in this file, because numba
compiles again only if the file of the outermost function has changed.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from triggers.events.packing import MUON
from triggers.events.schema import MAX_BX_OFFSET, N_CALO_OBJECTS, N_MUONS
from triggers.menu.block import Block, Events
from triggers.menu.tables import WORD_BITS, Column, Records, Relation, Step, Tables, Words
from triggers.menu.word_bits import bit_count, lowest_bit, slots_at_least

BLOCK: Final = 512
"""Crossings that are worked on together: enough that what is done once for a block hardly counts."""

SLOTS: Final = 16
"""More than a crossing has objects of a type; a power of two."""

MAX_STACK: Final = 64
"""The deepest stack of a program."""

WINDOW: Final = 2 * MAX_BX_OFFSET + 1
"""Crossings that a menu can look at."""

MAX_LEGS: Final = N_CALO_OBJECTS
"""The largest number of objects in a condition."""

_MUON = int(Column.MUON)
_EG = int(Column.EG)
_TAU = int(Column.TAU)
_CICADA = int(Column.CICADA)
_NOT, _AND, _XOR = int(Step.NOT), int(Step.AND), int(Step.XOR)
_NO_RELATION = int(Relation.NONE)
_LIKE_SIGN = int(Relation.LIKE_SIGN)
_CHARGE_NEGATIVE = np.uint64(MUON["charge_negative"].shift)
_CHARGE_VALID = np.uint64(MUON["charge_valid"].shift)
_WORD_SHIFT, _BIT_MASK = WORD_BITS.bit_length() - 1, WORD_BITS - 1
_ONE = np.uint64(1)
_NIBBLE = np.uint64(28)
_NIBBLE_BITS = np.uint64(4)
_ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)

Ints = NDArray[np.int64]
Record = Any
"""One record of a structured array."""


@njit(nogil=True, cache=True)
def evaluate_tables(tables: Tables, events: Events) -> tuple[NDArray[np.uint32], Words]:
    """The output bits of a batch.

    Args:
        tables: a menu's `Tables`.
        events: the batch's `Events`.

    Returns:
        rows `(k,) uint32`, ascending, and their words `(k, n_output_words) uint64`: crossings with any bit.
    """
    rows = np.empty(events.n, np.uint32)
    words = np.empty((events.n, tables.n_output_words), np.uint64)
    block = Block(
        np.empty((WINDOW, BLOCK), np.int64),
        np.zeros((tables.n_atom_words, BLOCK), np.uint64),
        np.zeros((len(tables.groups), BLOCK + 1), np.int64),
        np.empty((len(tables.groups), BLOCK * N_CALO_OBJECTS), np.uint64),
        np.empty((len(tables.groups), BLOCK * N_CALO_OBJECTS), np.int64),
        np.empty(tables.n_kept_words * BLOCK, np.uint64),
        np.zeros((tables.n_output_words, BLOCK), np.uint64),
        np.empty((MAX_STACK, BLOCK), np.uint64),
        np.empty(tables.n_atom_words, np.uint64),
    )
    found = 0
    for start in range(0, events.n, BLOCK):
        n = min(BLOCK, events.n - start)
        _find_neighbours(events.slots, start, n, block.rows)
        block.atoms[tables.first_scalar_word :] = 0
        block.out[:] = 0
        for group in range(len(tables.groups)):
            _find_objects(tables.groups[group], group, events, n, block)
            _test_objects(tables.groups[group], group, tables.lookups, tables.words, n, block)
        for scalar in range(len(tables.scalars)):
            _test_scalar(tables.scalars[scalar], tables.lookups, tables.words, events, n, block)
        for source in range(len(tables.signals)):
            signals = tables.signals[source]
            rows_there = block.rows[signals.bx_offset + MAX_BX_OFFSET]
            _gather(events.external, signals.source, rows_there, n, block.atoms[signals.atom_word])
        _run_searches(tables, n, block)
        _set_outputs(tables, n, block)
        found = _write_out(events.context, start, n, block.out, rows, words, found)
    return rows[:found], words[:found]


@njit(nogil=True, cache=True)
def _find_neighbours(slots: Ints, start: int, n: int, rows: Ints) -> None:
    """Finds the rows of the neighbours in time, which are at most two rows away, as rows are in time order."""
    for i in range(n):
        rows[MAX_BX_OFFSET, i] = start + i
    if len(slots) == 0:
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


@njit(nogil=True, cache=True)
def _find_objects(kind: Record, group: int, events: Events, n: int, block: Block) -> None:
    """Lists the objects of a group that may pass something."""
    rows = block.rows[kind.bx_offset + MAX_BX_OFFSET]
    if kind.column == _MUON:
        _list_objects(events.muon, N_MUONS, rows, kind, n, group, block)
    elif kind.column == _EG:
        _list_objects(events.eg, N_CALO_OBJECTS, rows, kind, n, group, block)
    elif kind.column == _TAU:
        _list_objects(events.tau, N_CALO_OBJECTS, rows, kind, n, group, block)
    else:
        _list_objects(events.jet, N_CALO_OBJECTS, rows, kind, n, group, block)


@njit(nogil=True, cache=True)
def _list_objects(
    words: NDArray[np.unsignedinteger], n_slots: int, rows: Ints, kind: Record, n: int, group: int, block: Block
) -> None:
    first, objects, places = block.first_object[group], block.objects[group], block.places[group]
    mask, low = kind.live_mask, kind.live_low
    all_slots = (_ONE << np.uint64(n_slots)) - _ONE
    count = 0
    for i in range(n):
        first[i] = count
        row = rows[i]
        live = all_slots if low == 0 else np.uint64(0)
        if row >= 0:
            live = slots_at_least(words, row, n_slots, mask, low)
        while live:
            slot = np.int64(lowest_bit(live))
            live &= live - _ONE
            objects[count] = words[row, slot] if row >= 0 else np.uint64(0)
            places[count] = i * SLOTS + slot
            count += 1
    first[n] = count


@njit(nogil=True, cache=True)
def _test_objects(kind: Record, group: int, lookups: Records, words: Words, n: int, block: Block) -> None:
    """Looks up what the objects pass, and counts up to four of them for each selection."""
    atoms, objects, places = block.atoms, block.objects[group], block.places[group]
    n1, at1 = kind.n1, kind.atom_word
    at2, at3, at4 = at1 + n1, at1 + n1 + kind.n2, at1 + n1 + kind.n2 + kind.n3
    atoms[at1 : at4 + kind.n4, :n] = 0
    first, end = kind.first_lookup, kind.end_lookup
    one, two, three = lookups[first], lookups[min(first + 1, end - 1)], lookups[min(first + 2, end - 1)]
    shift1, mask1, base1 = one.shift, one.mask, one.base
    shift2, mask2, base2 = two.shift, two.mask, two.base
    shift3, mask3, base3 = three.shift, three.mask, three.base
    kept, slot_words, counted = kind.kept * BLOCK, kind.slot_words, kind.counted
    for k in range(block.first_object[group, n]):
        word = objects[k]
        i = places[k] // SLOTS
        index1 = base1 + np.int64((word >> shift1) & mask1) * n1
        index2 = base2 + np.int64((word >> shift2) & mask2) * n1
        index3 = base3 + np.int64((word >> shift3) & mask3) * n1
        for j in range(n1):
            passed = words[index1 + j] & words[index2 + j] & words[index3 + j]
            for further in range(first + 3, end):
                value = np.int64((word >> lookups[further].shift) & lookups[further].mask)
                passed &= words[lookups[further].base + value * n1 + j]
            if slot_words >= 0:
                passed &= words[slot_words + places[k] % SLOTS * n1 + j]
            if kept >= 0:
                block.kept[kept + k * n1 + j] = passed
            again = atoms[at1 + j, i] & passed & words[counted + j]
            atoms[at1 + j, i] |= passed
            if again:
                third = atoms[at2 + j, i] & again
                atoms[at2 + j, i] |= again
                if third and j < kind.n3:
                    fourth = atoms[at3 + j, i] & third
                    atoms[at3 + j, i] |= third
                    if j < kind.n4:
                        atoms[at4 + j, i] |= fourth


@njit(nogil=True, cache=True)
def _test_scalar(scalar: Record, lookups: Records, words: Words, events: Events, n: int, block: Block) -> None:
    """Looks up what a sum, count or flag passes."""
    rows, values = block.rows[scalar.bx_offset + MAX_BX_OFFSET], block.scratch[0]
    if scalar.column == _CICADA:
        _cicada_scores(events.sums, scalar.slot, rows, n, values)
    elif scalar.column == _MUON:
        _gather(events.muon, scalar.slot, rows, n, values)
    else:
        _gather(events.sums, scalar.slot, rows, n, values)
    mask, low, atoms = scalar.live_mask, scalar.live_low, block.atoms[scalar.atom_word]
    for i in range(n):
        if (values[i] & mask) >= low:
            passed = _ALL
            for k in range(scalar.first_lookup, scalar.end_lookup):
                value = np.int64((values[i] >> lookups[k].shift) & lookups[k].mask)
                passed &= words[lookups[k].base + value]
            atoms[i] |= passed


@njit(nogil=True, cache=True)
def _gather(words: NDArray[np.unsignedinteger], slot: int, rows: Ints, n: int, values: Words) -> None:
    for i in range(n):
        values[i] = np.uint64(words[rows[i], slot]) if rows[i] >= 0 else np.uint64(0)


@njit(nogil=True, cache=True)
def _cicada_scores(sums: NDArray[np.uint32], first_slot: int, rows: Ints, n: int, values: Words) -> None:
    """The scores from the highest nibbles of four words, the most significant first."""
    values[:n] = 0
    for word in range(4):
        for i in range(n):
            nibble = np.uint64(sums[rows[i], first_slot + word]) >> _NIBBLE if rows[i] >= 0 else np.uint64(0)
            values[i] = (values[i] << _NIBBLE_BITS) | nibble


@njit(nogil=True, cache=True)
def _is_set(atoms: Words, atom: int, i: int) -> bool:
    return bool((atoms[atom >> _WORD_SHIFT, i] >> np.uint64(atom & _BIT_MASK)) & _ONE)


@njit(nogil=True, cache=True)
def _run_searches(tables: Tables, n: int, block: Block) -> None:
    """Tries the searches of every key atom that is set, and sets the atoms of those that succeed."""
    atoms, table_of, lists = block.atoms, tables.atoms, tables.lists
    candidates, counts = np.empty(MAX_LEGS, np.uint64), np.empty(MAX_LEGS, np.int64)
    for w in range(len(tables.search_keys)):
        word, mask = tables.search_keys[w].atom_word, tables.search_keys[w].mask
        for i in range(n):
            hits = atoms[word, i] & mask
            while hits:
                key = (word << _WORD_SHIFT) + np.int64(lowest_bit(hits))
                hits &= hits - _ONE
                for item in range(table_of[key].first_search, table_of[key].end_search):
                    search = tables.searches[lists[item]]
                    kind = tables.groups[search.group]
                    if _guarded(search, lists, atoms, i) and _search(search, kind, lists, i, block, candidates, counts):
                        atoms[search.atom >> _WORD_SHIFT, i] |= _ONE << np.uint64(search.atom & _BIT_MASK)


@njit(nogil=True, cache=True)
def _guarded(search: Record, lists: Ints, atoms: Words, i: int) -> bool:
    for guard in range(search.first_guard, search.end_guard):  # noqa: SIM110 (numba has no generators here)
        if not _is_set(atoms, lists[guard], i):
            return False
    return True


@njit(nogil=True, cache=True)
def _search(search: Record, kind: Record, lists: Ints, i: int, block: Block, candidates: Words, counts: Ints) -> bool:
    """Whether there are different objects for all legs, of the right charges."""
    first, end = block.first_object[search.group, i], block.first_object[search.group, i + 1]
    n_legs = (search.end_leg - search.first_leg) // 2
    for leg in range(n_legs):
        position, counts[leg] = lists[search.first_leg + 2 * leg], lists[search.first_leg + 2 * leg + 1]
        word, bit = position >> _WORD_SHIFT, np.uint64(position & _BIT_MASK)
        candidates[leg] = 0
        for k in range(first, end):
            passed = (block.kept[kind.kept * BLOCK + k * kind.n1 + word] >> bit) & _ONE
            candidates[leg] |= passed << np.uint64(k - first)
    if search.relation == _NO_RELATION:
        return _different(candidates, counts, n_legs, _ALL, -1, _ALL, -1, _ALL)
    positive, negative = _charges(block.objects[search.group, first:end])
    if search.relation == _LIKE_SIGN:
        return _different(candidates, counts, n_legs, positive, -1, _ALL, -1, _ALL) or _different(
            candidates, counts, n_legs, negative, -1, _ALL, -1, _ALL
        )
    valid = positive | negative
    for one in range(n_legs):
        for other in range(n_legs):
            if one != other and _different(candidates, counts, n_legs, valid, one, positive, other, negative):
                return True
    return False


@njit(nogil=True, cache=True)
def _charges(muons: Words) -> tuple[np.uint64, np.uint64]:
    """The muons with a valid positive, and with a valid negative charge, as bit masks."""
    positive, negative = np.uint64(0), np.uint64(0)
    for k in range(len(muons)):
        valid = (muons[k] >> _CHARGE_VALID) & _ONE
        minus = (muons[k] >> _CHARGE_NEGATIVE) & _ONE
        positive |= (valid & (minus ^ _ONE)) << np.uint64(k)
        negative |= (valid & minus) << np.uint64(k)
    return positive, negative


@njit(nogil=True, cache=True)
def _different(
    candidates: Words,
    counts: Ints,
    n_legs: int,
    allowed: np.uint64,
    one: int,
    allowed_one: np.uint64,
    other: int,
    allowed_other: np.uint64,
) -> bool:
    """Whether different allowed objects exist for all legs: no legs together have fewer candidates than they need.

    Two legs, `one` and `other` (−1: none), may be further restricted. (Hall's theorem.)
    """
    for subset in range(1, 1 << n_legs):
        union, needed = np.uint64(0), 0
        for leg in range(n_legs):
            if (subset >> leg) & 1:
                own = candidates[leg] & allowed
                if leg == one:
                    own &= allowed_one
                if leg == other:
                    own &= allowed_other
                union |= own
                needed += counts[leg]
        if np.int64(bit_count(union)) < needed:
            return False
    return True


@njit(nogil=True, cache=True)
def _set_outputs(tables: Tables, n: int, block: Block) -> None:
    """Sets the output bits of the atoms that are set, and of the programs that come out true."""
    programs, lists, table_of = tables.programs, tables.lists, tables.atoms
    atoms, out, union = block.atoms, block.out, block.union
    for word in range(len(union)):
        union[word] = _union(atoms[word], n)
    for w in range(len(tables.output_keys)):
        word, mask = tables.output_keys[w].atom_word, tables.output_keys[w].mask
        for i in range(n if union[word] & mask else 0):
            hits = atoms[word, i] & mask
            while hits:
                key = (word << _WORD_SHIFT) + np.int64(lowest_bit(hits))
                hits &= hits - _ONE
                for k in range(table_of[key].first_output, table_of[key].end_output):
                    bit = lists[k]
                    if bit < 0:
                        program = programs[~bit]
                        if program.is_clause:
                            if not _clause_holds(program, lists, atoms, i):
                                continue
                        elif not _program_holds(program, lists, atoms, i):
                            continue
                        bit = program.bit
                    out[bit >> _WORD_SHIFT, i] |= _ONE << np.uint64(bit & _BIT_MASK)
    for program in range(tables.first_everywhere, len(programs)):
        if _may_hold(programs[program], lists, union):
            _run_everywhere(programs[program], lists, n, block)


@njit(nogil=True, cache=True)
def _union(words: Words, n: int) -> np.uint64:
    union = np.uint64(0)
    for i in range(n):
        union |= words[i]
    return union


@njit(nogil=True, cache=True)
def _may_hold(program: Record, lists: Ints, union: Words) -> bool:
    """Whether some crossing of the block has a key atom of the program."""
    for k in range(program.first_key, program.end_key):
        if (union[lists[k] >> _WORD_SHIFT] >> np.uint64(lists[k] & _BIT_MASK)) & _ONE:
            return True
    return bool(program.first_key == program.end_key)


@njit(nogil=True, cache=True)
def _clause_holds(program: Record, lists: Ints, atoms: Words, i: int) -> bool:
    """Whether all literals hold."""
    for k in range(program.first_step, program.end_step):  # noqa: SIM110 (as above)
        if not _literal(lists[k], atoms, i):
            return False
    return True


@njit(nogil=True, cache=True)
def _literal(literal: int, atoms: Words, i: int) -> np.uint64:
    """The bit of an atom, or its opposite if the literal is odd."""
    atom = literal >> 1
    return np.uint64(((atoms[atom >> _WORD_SHIFT, i] >> np.uint64(atom & _BIT_MASK)) ^ np.uint64(literal)) & _ONE)


@njit(nogil=True, cache=True)
def _program_holds(program: Record, lists: Ints, atoms: Words, i: int) -> bool:
    """Runs a program on a stack of bits, the top lowest."""
    stack = np.uint64(0)
    for k in range(program.first_step, program.end_step):
        step = lists[k]
        if step >= 0:
            stack = (stack << _ONE) | _literal(step, atoms, i)
        elif step == _NOT:
            stack ^= _ONE
        else:
            top = stack & _ONE
            stack >>= _ONE
            if step == _AND:
                stack &= top | ~_ONE
            elif step == _XOR:
                stack ^= top
            else:
                stack |= top
    return bool(stack & _ONE)


@njit(nogil=True, cache=True)
def _run_everywhere(program: Record, lists: Ints, n: int, block: Block) -> None:
    """Runs a program for all crossings of a block at once, and sets its output bit."""
    height = -1
    for k in range(program.first_step, program.end_step):
        step = lists[k]
        if step >= 0:
            height += 1
            _push_everywhere(step, block.atoms[step >> (_WORD_SHIFT + 1)], block.scratch[height], n)
        elif step == _NOT:
            block.scratch[height, :n] ^= _ONE
        else:
            height -= 1
            _combine_everywhere(step, block.scratch[height], block.scratch[height + 1], n)
    stack = block.scratch[0]
    out, bit = block.out[program.bit >> _WORD_SHIFT], np.uint64(program.bit & _BIT_MASK)
    for i in range(n):
        out[i] |= stack[i] << bit


@njit(nogil=True, cache=True)
def _push_everywhere(literal: int, atoms: Words, top: Words, n: int) -> None:
    bit, flip = np.uint64((literal >> 1) & _BIT_MASK), np.uint64(literal & 1)
    for i in range(n):
        top[i] = ((atoms[i] >> bit) ^ flip) & _ONE


@njit(nogil=True, cache=True)
def _combine_everywhere(step: int, under: Words, top: Words, n: int) -> None:
    if step == _AND:
        for i in range(n):
            under[i] &= top[i]
    elif step == _XOR:
        for i in range(n):
            under[i] ^= top[i]
    else:
        for i in range(n):
            under[i] |= top[i]


@njit(nogil=True, cache=True)
def _write_out(
    context: NDArray[np.bool_], start: int, n: int, out: Words, rows: NDArray[np.uint32], words: Words, found: int
) -> int:
    """Appends the crossings of a block that have an output bit and are not only context."""
    for i in range(n):
        if len(context) and context[start + i]:
            continue
        any_bit = np.uint64(0)
        for w in range(len(out)):
            any_bit |= out[w, i]
        if any_bit:
            rows[found] = start + i
            for w in range(len(out)):
                words[found, w] = out[w, i]
            found += 1
    return found
