"""The backend `native`: a compiled kernel of our own for fixed-point networks (`docs/networks.md`, "Backends")."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.backends.fixed import input_codes
from models.backends.native_kernel import Program, run_program, scratch_for
from models.backends.native_layout import narrow_rows
from models.backends.native_program import compile_program
from models.backends.network_parts import codes_of_values, layers_alone
from models.backends.version_backend import VersionBackend
from models.input_rules import InputColumn
from models.inputs import Columns, InputTable, contiguous, input_table, n_crossings
from models.network import Network
from models.repository import LoadedVersion
from models.vectors import LANES, WORDS_AT_ONCE

_QUAD_BYTES: Final = 4 * WORDS_AT_ONCE
_CODES_ARE_READ: Final = np.zeros((0, len(InputColumn)), np.int64), np.zeros(1, np.int32)
"""Rules and entries where there are no packed words."""


class NativeScorer:
    """A network's program, for codes of its input tensor; belongs to one thread."""

    def __init__(self, network: Network) -> None:
        """Makes the tables.

        Raises:
            BackendLimit: the network has a layer, or numbers, that the kernel cannot compute exactly.
        """
        self.network: Final = network
        self.program: Final = compile_program(network)

    def score_inputs(self, inputs: ArrayLike) -> NDArray[np.int64]:
        """The menu's score integers `(n,) int64` of inputs `(n, n_inputs)`, before the network's scaling.

        Raises:
            InputsInvalid: the inputs are not finite numbers of that shape.
        """
        codes = input_codes(self.network, inputs)
        n, n_inputs = len(codes), self.network.n_inputs
        rows = np.zeros((max(n, LANES), 2 * narrow_rows(n_inputs)), np.int16)
        rows[:n, :n_inputs] = codes.reshape(n, n_inputs)
        starts = range(0, rows.strides[0], _QUAD_BYTES)
        sources = np.array([(rows.ctypes.data + start, rows.strides[0]) for start in starts], np.int64)
        scores = np.empty(len(rows), np.int32)
        run_program(self.program, sources, *_CODES_ARE_READ, scratch_for(self.program, 0), scores)
        return scores[:n].astype(np.int64)


class NativeBackend(VersionBackend):
    """Scores crossings with a version's `network.json`; belongs to one thread."""

    def __init__(self, version: LoadedVersion) -> None:
        """Makes the tables; the kernel is compiled once and kept on disk.

        Raises:
            FileNotListed: the version has no `network.json`.
            NetworkInvalid, UnknownName, BadValue: it is damaged.
            BackendLimit: the network has a layer, or numbers, that the kernel cannot compute exactly.
        """
        super().__init__(version)
        self._scorer: Final = NativeScorer(version.network)

    @cached_property
    def _table(self) -> InputTable:
        return input_table(self._version.layout, codes_of_values(self._scorer.network, self._version.layout))

    @cached_property
    def _rules(self) -> NDArray[np.int64]:
        """An even number of inputs; the last may stand twice."""
        rules = self._table.rules
        return np.concatenate([rules, rules[len(rules) - len(rules) % 2 :]])

    def score(self, columns: Columns) -> NDArray[np.int32]:
        """The menu's score integer of each crossing, `(n,) int32`, from packed words.

        Raises:
            InputsInvalid: an input cannot be made of packed words, or a column is not as the event format says.
        """
        return self._score(columns, self._scorer.program)

    def score_inputs(self, inputs: ArrayLike) -> NDArray[np.int64]:
        """The menu's score integer `(n,) int64` of inputs `(n, n_inputs)` in hardware units.

        Raises:
            InputsInvalid: the inputs are not finite numbers of that shape.
        """
        return self._scorer.score_inputs(inputs)

    def steps(self) -> Mapping[str, Callable[[Columns], object]]:
        """What a measurement calls: each does what `score` does up to the end of one step."""
        program = self._scorer.program
        layers = compile_program(layers_alone(self._scorer.network))
        programs = {"inputs": program._replace(units=program.units[:0]), "layers": layers, "score": program}
        return {step: partial(self._score, program=one) for step, one in programs.items()}

    def _score(self, columns: Columns, program: Program) -> NDArray[np.int32]:
        n = n_crossings(self._version.layout, columns)
        words = contiguous(columns, self._version.layout, n)  # `sources` holds their addresses
        scores = np.empty(max(n, LANES), np.int32)
        scratch = scratch_for(program, self._table.n_words)
        run_program(program, self._table.sources(words), self._rules, self._table.entries, scratch, scores)
        return scores[:n]
