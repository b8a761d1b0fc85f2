"""The backend `da4ml`: a network's logic, run by da4ml's interpreter (`docs/firmware.md`, "The logic as a backend")."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firmware.da4ml_package import check_da4ml
from firmware.ports import Ports, port_types
from firmware.rtl_errors import NotLogic
from models.backends.fixed import given_values
from models.backends.protocol import Backend, CostlyFactory
from models.backends.version_backend import VersionBackend
from models.fixed_point import FLOAT_BITS, FixedPoint
from models.inputs import Columns, hardware_inputs
from models.network import Network
from models.repository import LoadedVersion

_ALL_CORES: Final = 0
_WRAPPED_BITS: Final = 32
"""Of numbers with sign that the interpreter is given, wraps or chooses: it has the least one of a type as int32."""
_WRAPPING: Final = (-1, 3, 6)
"""Codes of these operations."""


@CostlyFactory
def open_interpreter(version: LoadedVersion) -> Backend:
    """The logic of a version, ready to run.

    Raises:
        ExtraMissing: da4ml is not installed.
        FileNotListed, NetworkInvalid, UnknownName, BadValue: the version has no `network.json`, or a damaged one.
        NotLogic: a layer is no sum of shifts, or a number is wider than da4ml keeps exactly.
    """
    check_da4ml()
    return InterpreterBackend(version)


class InterpreterBackend(VersionBackend):
    """Scores crossings with the logic that a version's `network.json` becomes; belongs to one thread.

    Inputs from packed words go through logic whose ports are as wide as their fields, which is a quarter quicker.
    """

    def __init__(self, version: LoadedVersion) -> None:
        """Makes the logic, in about a second; that for packed words when they come first.

        Raises:
            FileNotListed: the version has no `network.json`.
            NetworkInvalid, UnknownName, BadValue: it is damaged.
            NotLogic: a layer is no sum of shifts, or a number is wider than da4ml keeps exactly.
        """
        super().__init__(version)
        self.network: Final = version.network
        if self.network.given_type.bits not in FLOAT_BITS:
            raise NotLogic(self.network.name, f"its inputs are wider than {FLOAT_BITS[-1]} bits")
        self._declared: Final = _program(self.network, port_types(version, Ports.DECLARED))

    def score(self, columns: Columns) -> NDArray[np.int32]:
        """The menu's score integer of each crossing, `(n,) int32`, from packed words.

        Raises:
            InputsInvalid: an input cannot be made of packed words, or a column is not as the event format says.
        """
        inputs = hardware_inputs(self._version.layout, columns)
        if self.network.given_type in self._packed_ports:
            return self.score_inputs(inputs).astype(np.int32)
        return _scores(self._packed, inputs.astype(np.float64)).astype(np.int32)

    def score_inputs(self, inputs: ArrayLike) -> NDArray[np.int64]:
        """The menu's score integer `(n,) int64` of inputs `(n, n_inputs)` in hardware units.

        Raises:
            InputsInvalid: the inputs are not finite numbers of that shape.
        """
        return _scores(self._declared, given_values(self.network, inputs))

    @cached_property
    def _packed_ports(self) -> tuple[FixedPoint, ...]:
        return port_types(self._version, Ports.PACKED)

    @cached_property
    def _packed(self) -> NDArray[np.int32]:
        return _program(self.network, self._packed_ports)


def _program(network: Network, ports: tuple[FixedPoint, ...]) -> NDArray[np.int32]:
    """What the interpreter reads."""
    from da4ml.types import minimal_kif

    from firmware.logic import network_logic

    logic = network_logic(network, ports)
    widest = max(
        (sum(minimal_kif(op.qint)) for op in logic.ops if op.opcode in _WRAPPING and op.qint.min < 0), default=0
    )
    if widest > _WRAPPED_BITS:
        raise NotLogic(network.name, f"it wraps numbers of {widest} bits with sign, the interpreter {_WRAPPED_BITS}")
    program: NDArray[np.int32] = logic.to_binary()
    return program


def _scores(program: NDArray[np.int32], values: NDArray[np.float64]) -> NDArray[np.int64]:
    from da4ml._binary import dais_interp_run

    if not len(values):
        return np.empty(0, np.int64)
    scores: NDArray[np.int64] = dais_interp_run(program, values, _ALL_CORES).astype(np.int64).ravel()
    return scores
