"""Builds the kernel's tables from trees of atoms (`docs/menu-kernel.md`, section "Tables")."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from triggers.menu.atoms import (
    MAX_LEVEL,
    AtLeast,
    Atom,
    Branch,
    Distinct,
    Pair,
    Search,
    Signal,
    Tree,
    atoms_of,
)
from triggers.menu.keys import Trial, expected_rate, keys_of, trials
from triggers.menu.limits import ChargeRelation
from triggers.menu.lookups import LookupTables, live_words
from triggers.menu.model import Operator
from triggers.menu.selections import Group, Selection
from triggers.menu.tables import (
    ATOM,
    COPY,
    KEYS,
    LOOKUP,
    OBJECT_TEST,
    PROGRAM,
    SCALAR,
    SEARCH,
    SIGNALS,
    TRIAL,
    WORD_BITS,
    Column,
    Records,
    Relation,
    Step,
    Tables,
    n_words_for,
)
from triggers.menu.tabulate_legs import LegTables
from triggers.menu.tabulate_pairs import LARGEST, PairTables, pair_sets

_ByAtom = dict[int, list[int]]
_Trials = Mapping[Search, Trial]

COMMON_RATE: Final = 0.2
"""An output that is expected more often is computed for all crossings at once."""

_RELATIONS = {
    None: Relation.NONE,
    ChargeRelation.LIKE_SIGN: Relation.LIKE_SIGN,
    ChargeRelation.OPPOSITE_SIGN: Relation.OPPOSITE_SIGN,
}


def build_tables(outputs: Sequence[tuple[int, Tree]], n_output_words: int) -> Tables:
    """The tables for output bits.

    Args:
        outputs: bits, each with the tree that sets it.
        n_output_words: words of 64 output bits.
    """
    return _Builder().build([(bit, part) for bit, tree in outputs for part in _alternatives(tree)], n_output_words)


def _alternatives(tree: Tree) -> Iterator[Tree]:
    """The operands of an OR: each may set the output by itself."""
    if isinstance(tree, Branch) and tree.operator is Operator.OR:
        for operand in tree.operands:
            yield from _alternatives(operand)
    else:
        yield tree


@dataclass
class _Outputs:
    """What sets output bits; see `Tables`."""

    of_atom: _ByAtom = field(default_factory=lambda: defaultdict(list))
    programs: list[tuple[int, ...]] = field(default_factory=list)
    first_everywhere: int = 0
    always_copied: list[tuple[int, int]] = field(default_factory=list)
    copied: list[tuple[int, int]] = field(default_factory=list)


class _Builder:
    """Numbers the atoms and collects the tables that belong to them."""

    def __init__(self) -> None:
        self.n_words = 0
        self.number: dict[Atom, int] = {}
        self.lookups = LookupTables()
        self.lists: list[int] = []

    def build(self, parts: Sequence[tuple[int, Tree]], n_output_words: int) -> Tables:
        """The tables for trees that each set a bit."""
        atoms = list(dict.fromkeys(atom for _, tree in parts for atom in atoms_of(tree)))
        searches = [atom for atom in atoms if isinstance(atom, Distinct)]
        counted = [atom for atom in atoms if isinstance(atom, AtLeast)]
        pairs = [atom for atom in atoms if isinstance(atom, Pair)]
        counted += [guard for search in searches for guard in search.guards()]
        counted += [guard for pair in pairs for guard in pair.guards()]
        levels: dict[Selection, int] = {}
        for atom in counted:
            levels[atom.selection] = max(atom.level, levels.get(atom.selection, 0))
        object_tests = self._object_tests(levels)
        first_scalar_word = self.n_words
        scalars = self._scalars([chosen for chosen in levels if chosen.group.n_slots == 1])
        signals = self._signals([atom for atom in atoms if isinstance(atom, Signal)])
        self._number_in_new_words(searches)
        when = trials(tree for _, tree in parts)
        legs = LegTables(self.lookups)
        trials_of: _ByAtom = defaultdict(list)
        pair_tables = PairTables(self.lookups, legs)
        trial_records = self._pairs(pairs, when, pair_tables, trials_of)
        n_sets = len(pair_tables.sets)
        trial_records += self._search_trials(searches, when, trials_of, n_sets, len(trial_records))
        search_records = self._searches(searches, legs, pair_tables)
        sides, outputs = legs.records(), self._programs(parts)
        return Tables(
            object_tests=object_tests,
            scalars=scalars,
            lookups=np.array(self.lookups.records, LOOKUP),
            words=np.concatenate([*self.lookups.words, np.empty(0, np.uint64)]),
            signals=signals,
            searches=search_records,
            trials=np.array(trial_records, TRIAL),
            programs=np.array(outputs.programs, PROGRAM),
            copies=np.array(_copies(outputs.always_copied) + _copies(outputs.copied), COPY),
            **pair_tables.records(),
            sides=sides,
            trial_keys=_keys(trials_of),
            output_keys=_keys(outputs.of_atom),
            atoms=self._atoms(trials_of, outputs.of_atom),
            lists=np.array(self.lists, np.int64),
            first_everywhere=outputs.first_everywhere,
            n_common_copies=len(_copies(outputs.always_copied)),
            n_triggers=sum(map(len, outputs.of_atom.values())),
            n_atom_words=self.n_words,
            first_scalar_word=first_scalar_word,
            n_output_words=n_output_words,
        )

    def _number_in_new_words(self, atoms: Sequence[Atom]) -> int:
        """Gives the atoms the next numbers from a new word on, and returns how many words they fill."""
        for position, atom in enumerate(atoms):
            self.number[atom] = self.n_words * WORD_BITS + position
        n_words = n_words_for(len(atoms))
        self.n_words += n_words
        return n_words

    def _list(self, items: Iterable[int]) -> tuple[int, int]:
        """Appends a list, and returns its first entry and its end."""
        first = len(self.lists)
        self.lists += items
        return first, len(self.lists)

    def _object_tests(self, levels: Mapping[Selection, int]) -> Records:
        by_group: dict[Group, list[Selection]] = defaultdict(list)
        for chosen in sorted(levels, key=lambda chosen: (-levels[chosen], chosen.threshold)):
            if chosen.group.n_slots > 1:
                by_group[chosen.group].append(chosen)
        rows = [row for group in sorted(by_group) for row in self._tests_of(by_group[group], levels)]
        return np.array(rows, OBJECT_TEST)

    def _tests_of(self, selections: Sequence[Selection], levels: Mapping[Selection, int]) -> Iterator[tuple[int, ...]]:
        """The records of a group; `selections` come with those first that are counted furthest."""
        first_words, n_words = [], []
        for level in range(1, MAX_LEVEL + 1):
            first_words.append(self.n_words)
            atoms = [AtLeast(chosen, level) for chosen in selections if levels[chosen] >= level]
            n_words.append(self._number_in_new_words(atoms))
        for word in range(n_words[0]):
            here = selections[word * WORD_BITS : (word + 1) * WORD_BITS]
            atom_words = [first + word if word < n else -1 for first, n in zip(first_words, n_words, strict=True)]
            first_lookup = len(self.lookups.records)
            slot_words = self.lookups.add(here, range(len(here)), 1)
            where = (Column[here[0].group.column.upper()], here[0].group.bx_offset)
            yield (*where, *atom_words, first_lookup, len(self.lookups.records), slot_words, *live_words(here))

    def _scalars(self, selections: Sequence[Selection]) -> Records:
        """Places the selections of all groups one after the other, wherever a word ends."""
        in_order = sorted(selections, key=lambda chosen: chosen.group)
        first_word = self.n_words
        self._number_in_new_words([AtLeast(chosen, 1) for chosen in in_order])
        by_word_and_group: dict[tuple[int, Group], list[tuple[int, Selection]]] = defaultdict(list)
        for position, chosen in enumerate(in_order):
            word, bit = divmod(position, WORD_BITS)
            by_word_and_group[word, chosen.group].append((bit, chosen))
        rows = []
        for (word, group), members in by_word_and_group.items():
            first_lookup, here = len(self.lookups.records), [chosen for _, chosen in members]
            self.lookups.add(here, [bit for bit, _ in members], 1)
            column, end_lookup = Column[group.column.upper()], len(self.lookups.records)
            where = (column, group.first_slot, group.bx_offset, first_word + word)
            rows.append((*where, first_lookup, end_lookup))
        return np.array(rows, SCALAR)

    def _signals(self, signals: Sequence[Signal]) -> Records:
        sources = sorted({(signal.bx_offset, signal.channel // WORD_BITS) for signal in signals})
        atom_word = {source: self.n_words + position for position, source in enumerate(sources)}
        self.n_words += len(sources)
        for signal in signals:
            word, bit = divmod(signal.channel, WORD_BITS)
            self.number[signal] = atom_word[signal.bx_offset, word] * WORD_BITS + bit
        rows = [(word, offset, atom_word[offset, word]) for offset, word in sources]
        return np.array(rows, SIGNALS)

    def _pairs(self, pairs: Sequence[Pair], when: _Trials, tables: PairTables, tried: _ByAtom) -> list[tuple[int, ...]]:
        """Adds the sets of pairs, and returns when they are tried."""
        rows: list[tuple[int, ...]] = []
        for number, members in enumerate(pair_sets(pairs)):
            tables.add_set(members, self.n_words)
            self._number_in_new_words(members.pairs)
            for bit, pair in enumerate(members.pairs):
                rows.append((number, bit, *self._trial(when[pair], tried, len(rows))))
        return rows

    def _search_trials(
        self, searches: Sequence[Distinct], when: _Trials, tried: _ByAtom, first_of: int, first_row: int
    ) -> list[tuple[int, ...]]:
        return [
            (first_of + number, 0, *self._trial(when[search], tried, first_row + number))
            for number, search in enumerate(searches)
        ]

    def _trial(self, trial: Trial, tried: _ByAtom, number: int) -> tuple[int, ...]:
        """The lists of keys and guards, the rarest guards first, so that most trials end at once."""
        for key in trial.keys:
            tried[self.number[key]].append(number)
        rarest_first = sorted(trial.guards, key=lambda guard: expected_rate([guard]))
        keys = self._list(self.number[key] for key in trial.keys)
        return (*keys, *self._list(self.number[guard] for guard in rarest_first))

    def _searches(self, searches: Sequence[Distinct], legs: LegTables, pairs: PairTables) -> Records:
        rows = []
        for search in searches:
            bits = self._list(item for leg, count in search.legs for item in (legs.bit(leg)[1], count))
            side, relation = legs.bit(search.legs[0][0])[0], _RELATIONS[search.relation]
            reference = -1 if search.reference is None else pairs.add_reference(search.reference, [search.group])
            mass = (0, 0) if search.mass is None else tuple(max(-LARGEST, min(x, LARGEST)) for x in search.mass)
            rows.append((side, relation, self.number[search], *bits, reference, search.mass is not None, *mass))
        return np.array(rows, SEARCH)

    def _programs(self, parts: Sequence[tuple[int, Tree]]) -> _Outputs:
        """What sets the output bits."""
        outputs = _Outputs()
        everywhere: list[tuple[int, ...]] = []
        for bit, tree in parts:
            keys = keys_of(tree)
            common = keys is None or expected_rate(keys) > COMMON_RATE
            if not isinstance(tree, Branch):
                copies = outputs.always_copied if common else outputs.copied
                copies.append((self.number[tree], bit))
                if not common:
                    outputs.of_atom[self.number[tree]].append(bit)
                continue
            key_atoms = self._list(self.number[key] for key in keys or ())
            steps = self._list(self._steps(tree))
            if keys is None or common:
                everywhere.append((bit, *steps, False, 0, 0, *key_atoms))
                continue
            for key in keys:
                outputs.of_atom[self.number[key]].append(~len(outputs.programs))
            clause = self._clause(tree, keys)
            outputs.programs.append((bit, *steps, clause is not None, *self._list(clause or ()), *key_atoms))
        outputs.first_everywhere = len(outputs.programs)
        outputs.programs += everywhere
        return outputs

    def _clause(self, tree: Branch, keys: Collection[Atom]) -> list[int] | None:
        """The literals that must all hold besides the key that was set, if the tree is of that form."""
        literals = [self._literal(operand) for operand in tree.operands]
        if tree.operator is not Operator.AND or len(keys) != 1 or None in literals:
            return None
        (key,) = keys
        return [literal for literal in literals if literal is not None and literal != 2 * self.number[key]]

    def _literal(self, tree: Tree) -> int | None:
        """An atom or its opposite as a literal; None if the tree is neither."""
        if not isinstance(tree, Branch):
            return 2 * self.number[tree]
        (*_, operand) = tree.operands
        return (
            2 * self.number[operand] + 1 if tree.operator is Operator.NOT and not isinstance(operand, Branch) else None
        )

    def _steps(self, tree: Tree) -> Iterator[int]:
        """A tree in postfix order; large operands come first, so that the stack stays below 64 bits."""
        literal = self._literal(tree)
        if literal is not None:
            yield literal
        elif isinstance(tree, Branch):
            largest_first = sorted(tree.operands, key=lambda operand: -sum(1 for _ in atoms_of(operand)))
            for position, operand in enumerate(largest_first):
                yield from self._steps(operand)
                if position or tree.operator is Operator.NOT:
                    yield Step[tree.operator.name]

    def _atoms(self, trials_of: _ByAtom, outputs_of: _ByAtom) -> Records:
        atoms = range(self.n_words * WORD_BITS)
        rows = [(*self._list(trials_of.get(atom, ())), *self._list(outputs_of.get(atom, ()))) for atom in atoms]
        return np.array(rows, ATOM)


def _keys(by_atom: _ByAtom) -> Records:
    masks: dict[int, int] = defaultdict(int)
    for atom in by_atom:
        masks[atom // WORD_BITS] |= 1 << atom % WORD_BITS
    return np.array(sorted(masks.items()), KEYS)


def _copies(outputs: Iterable[tuple[int, int]]) -> list[tuple[int, int, int, int]]:
    """Atoms with their output bits, those together that one rotation of a word brings to their places."""
    masks: dict[tuple[int, int, int], int] = defaultdict(int)
    for atom, bit in outputs:
        word, position = divmod(atom, WORD_BITS)
        masks[word, bit // WORD_BITS, (bit - position) % WORD_BITS] |= 1 << position
    return [(word, to, mask, rotation) for (word, to, rotation), mask in masks.items()]
