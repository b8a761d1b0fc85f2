"""A network's logic as Verilog or VHDL, with the Vivado and Quartus scripts of da4ml (`docs/firmware.md`, "RTL")."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from da4ml.codegen.rtl import RTLModel
from da4ml.trace import to_pipeline
from da4ml.types import CombLogic, Pipeline

from firmware.build_requests import ADDER_NS
from firmware.da4ml_exact import exact_numbers

_UNKNOWN_LINT: Final = ("WIDTHTRUNC", "WIDTHEXPAND")
"""Names of lint messages that Verilator knows since 5.008; WIDTH is both, in all versions."""


_UNSIZED: Final = re.compile(r"(?<![0-9])'b([01]+)")


class Language(StrEnum):
    """What the hardware is described in."""

    VERILOG = "verilog"
    VHDL = "vhdl"


@dataclass(frozen=True)
class RtlDesign:
    """How logic becomes registers and wires.

    Attributes:
        name: of the top module; a C identifier.
        language: of the sources.
        part: full name of the part, for the vendor's scripts.
        clock_ns: period of the clock.
    """

    name: str
    language: Language
    part: str
    clock_ns: float

    @property
    def adders_per_tick(self) -> float:
        """The longest path between two registers, in adders."""
        return max(1.0, self.clock_ns / ADDER_NS)


def pipelined(logic: CombLogic, design: RtlDesign) -> Pipeline:
    """The logic cut into stages of one tick each, balanced, the fewest that keep to the clock."""
    with exact_numbers(design.name):
        return to_pipeline(logic, design.adders_per_tick, verbose=False)


def write_rtl(pipeline: Pipeline, folder: Path, design: RtlDesign) -> None:
    """Write sources, constraints and scripts; the same pipeline and design give the same bytes.

    Args:
        pipeline: from `pipelined`.
        folder: made if need be; what stands there is overwritten.
        design: as given to `pipelined`.
    """
    project = RTLModel(
        pipeline,
        design.name,
        folder,
        flavor=design.language,
        part_name=design.part,
        clock_period=design.clock_ns,
        print_latency=True,
    )
    project.write()
    for source in (folder / "src").glob("*.v"):
        source.write_text(_UNSIZED.sub(_sized, source.read_text()))
    for source in (folder / "src" / "static").glob("*.v"):
        text = source.read_text()
        for name in _UNKNOWN_LINT:
            text = text.replace(name, "WIDTH")
        source.write_text(text)
    for memory in (folder / "src" / "memfiles").iterdir():
        memory.write_text(memory.read_text().rstrip("\n") + "\n")  # old Verilators drop a last line that is not ended


def _sized(literal: re.Match[str]) -> str:
    """Tools may refuse more than 32 digits of a number that does not say its size."""
    return f"{len(literal[1])}'b{literal[1]}"
