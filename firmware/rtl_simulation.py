"""Runs RTL, cycle by cycle, with Verilator, through GHDL where it is VHDL (`docs/firmware.md`, "RTL")."""

from __future__ import annotations

import ctypes
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from da4ml.types import Pipeline, minimal_kif
from numpy.typing import NDArray

from firmware.ghdl import synthesised
from firmware.rtl import Language, RtlDesign
from firmware.rtl_errors import NotLogic
from firmware.verilator import verilated

_WORD_BITS: Final = 32
"""Each port of the simulation is an int32."""


class RtlSimulation:
    """Verilated hardware, in a `with` statement; belongs to one thread.

    Args:
        folder: where `firmware.rtl.write_rtl` wrote.
        pipeline: what it wrote.
        design: as it wrote it.

    Raises:
        NotLogic: a port is wider than 32 bits, or the score never changes.
        SimulatorMissing: Verilator, or GHDL for VHDL, is not installed.
        CompilerMissing: g++ is not installed.
        CompileFailed: they refuse the sources; the message has all that they said.
    """

    def __init__(self, folder: Path, pipeline: Pipeline, design: RtlDesign) -> None:
        self._n_inputs, self._n_outputs = pipeline.shape
        self._input_bits = max(minimal_kif(interval).fractional for interval in pipeline.inp_qint)
        (self._output,) = map(minimal_kif, pipeline.out_qint)
        _check_ports(pipeline, design.name)
        self._work = tempfile.TemporaryDirectory(prefix="l1chain-verilator-")  # its tables are read when it runs
        self._run = ctypes.CDLL(str(_compiled(folder, Path(self._work.name), design))).inference
        words = np.ctypeslib.ndpointer(np.int32, flags="C_CONTIGUOUS")
        self._run.argtypes = [words, words, ctypes.c_size_t, ctypes.c_size_t]
        self._run.restype = None

    def __enter__(self) -> RtlSimulation:
        return self

    def __exit__(self, *_: object) -> None:
        self._work.cleanup()

    def outputs(self, inputs: NDArray[np.float64]) -> NDArray[np.int64]:
        """The outputs `(n,) int64` of inputs `(n, n_inputs)`, which are exact numbers of the ports' types."""
        words = np.ascontiguousarray(np.ldexp(inputs, self._input_bits).astype(np.int64).astype(np.int32))
        found = np.empty((len(words), self._n_outputs), np.int32)
        self._run(words, found, len(words), 1)
        signed, integers, fraction = self._output
        bits, codes = signed + integers + fraction, found[:, 0].astype(np.int64)
        low = -(1 << (bits - 1)) if signed else 0
        values: NDArray[np.int64] = low + (codes - low) % (1 << bits) << max(-fraction, 0)
        return values


def _check_ports(pipeline: Pipeline, name: str) -> None:
    """Inputs that change nothing have no bits, which the wrapper leaves out."""
    inputs, outputs = (tuple(map(minimal_kif, intervals)) for intervals in (pipeline.inp_qint, pipeline.out_qint))
    if not all(sum(port) for port in outputs) or not any(sum(port) for port in inputs):
        raise NotLogic(name, "its score is always the same")
    widest = max(_slot_bits(inputs), _slot_bits(outputs))
    if widest > _WORD_BITS:
        raise NotLogic(name, f"a port has {widest} bits, the simulation's have up to {_WORD_BITS}")


def _slot_bits(ports: Sequence[Any]) -> int:
    """The wrapper gives every port the bits that hold any of them."""
    signed, integers, fractions = (max(parts) for parts in zip(*ports, strict=True))
    return int(signed + integers + fractions)


def _compiled(folder: Path, work: Path, design: RtlDesign) -> Path:
    top = f"{design.name}_wrapper"
    binder = folder / "sim" / f"{top}_binder.cc"
    sources = _with_tables_found(folder / "src", work)
    if design.language is Language.VERILOG:
        return verilated(sources / f"{top}.v", [sources, sources / "static"], binder, work)
    verilog = work / f"{top}.v"
    verilog.write_text(synthesised(sources, work, top))
    return verilated(verilog, [work], binder, work)


def _with_tables_found(sources: Path, work: Path) -> Path:
    """A copy of the sources in which look-up tables are named by their full path."""
    copied = work / "src"
    shutil.copytree(sources, copied)
    for path in [*copied.glob("*.v"), *copied.glob("*.vhd")]:
        path.write_text(path.read_text().replace('"table_', f'"{copied}/memfiles/table_'))
    return copied
