"""VHDL as Verilog, by GHDL, for a simulator that reads only Verilog (`docs/firmware.md`, "RTL")."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

from firmware.rtl_errors import SimulatorMissing
from firmware.rtl_tools import run_tool

_GHDL: Final = "ghdl"
_MODULE: Final = re.compile(r"^module (\w+)", re.MULTILINE)
_INSTANCE: Final = re.compile(r"^  (\w+) \w+ \($", re.MULTILINE)
_ENTITY: Final = re.compile(r"entity\s+(\w+)\s+is\s+generic\s*\((.*?)\);\s*port", re.DOTALL | re.IGNORECASE)
_GENERIC: Final = re.compile(r"(\w+)\s*:\s*integer", re.IGNORECASE)
_TEXT: Final = re.compile(r'"([01]+)"')
_WORD: Final = 1 << 64


def synthesised(sources: Path, work: Path, top: str) -> str:
    """A design of da4ml as Verilog.

    Args:
        sources: its folder `src`.
        work: for GHDL's library.
        top: the wrapper.

    Raises:
        SimulatorMissing: GHDL is not installed.
        CompileFailed: it refuses the sources.
    """
    if shutil.which(_GHDL) is None:
        raise SimulatorMissing(_GHDL, "apt-get install ghdl")
    design = top.removesuffix("_wrapper")
    cells = sorted((sources / "static").glob("*.vhd"))
    files = [*cells, *sorted(sources.glob(f"{design}_stage*.vhd")), sources / f"{design}.vhd", sources / f"{top}.vhd"]
    options = ["--std=08", f"--workdir={work}"]
    run_tool([_GHDL, "-a", *options, *map(str, files)], sources, work)
    verilog = run_tool([_GHDL, "synth", *options, "--out=verilog", top], sources, work)
    generics = {entity: _GENERIC.findall(text) for path in cells for entity, text in _ENTITY.findall(path.read_text())}
    # GHDL 2.0 may use a cell and forget to write it.
    for name in sorted(set(_INSTANCE.findall(verilog)) - set(_MODULE.findall(verilog))):
        entity = next((entity for entity in generics if name.startswith(f"{entity}_")), None)
        if entity is not None:
            values = map(_signed, name.removeprefix(f"{entity}_").split("_"))
            settings = [f"-g{generic}={value}" for generic, value in zip(generics[entity], values, strict=True)]
            cell = run_tool([_GHDL, "synth", *options, "--out=verilog", *settings, entity], sources, work)
            verilog += re.sub(rf"^module {entity}$", f"module {name}", cell, flags=re.MULTILINE)
    return _TEXT.sub(_number, verilog)


def _number(text: re.Match[str]) -> str:
    """A constant of more than 32 bits, which GHDL 2.0 writes as text: Verilog takes that for the letters' codes."""
    return f"{len(text[1])}'b{text[1]}"


def _signed(text: str) -> int:
    """The value of a generic in the name of a cell, where negative ones are written as words of 64 bits."""
    value = int(text)
    return value - _WORD if value >= _WORD // 2 else value
