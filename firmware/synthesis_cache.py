"""Synthesis results, kept beside the builds of a version by digest (`docs/firmware.md`, "Report")."""

from __future__ import annotations

import hashlib
import json
import logging
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from firmware.rtl import RtlDesign
from firmware.synthesis import Cells, Family, find_yosys, synthesise

_FOLDER: Final = "synthesis"
log = logging.getLogger("l1chain.firmware")


@dataclass(frozen=True)
class Synthesis:
    """What a synthesis found.

    Attributes:
        cells: that the design takes.
        tool: that found it, with its version.
        seconds: that it took, when it was run.
        remembered: whether that was earlier.
    """

    cells: Cells
    tool: str
    seconds: float
    remembered: bool


def synthesised(rtl: Path, design: RtlDesign, builds: Path, limit_s: float | None = None) -> Synthesis:
    """The cells of a design, synthesised now or earlier.

    Args:
        rtl: where `firmware.rtl.write_rtl` wrote.
        design: as it wrote it.
        builds: the folder beside which results are kept.
        limit_s: how long it may take now.

    Raises:
        SynthesisMissing: yosys is not installed.
        SynthesisTooLong: it takes longer.
        CompileFailed: yosys refuses; the message has all that it said.
    """
    command = find_yosys()
    tool = subprocess.run([command, "-V"], capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
    kept = builds / _FOLDER / f"{_digest(rtl, design, tool)}.json"
    found = _remembered(kept)
    if found is not None:
        return found
    start = time.monotonic()
    cells = synthesise(rtl, design, limit_s)
    made = Synthesis(cells, tool, round(time.monotonic() - start, 1), remembered=False)
    _keep(kept, made)
    return made


def _digest(rtl: Path, design: RtlDesign, tool: str) -> str:
    digest = hashlib.sha256(f"{tool}\n{Family.of(design.part)}\n{design.name}\n".encode())
    for path in sorted((rtl / "src").rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(rtl)}\n".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _remembered(path: Path) -> Synthesis | None:
    """What the file holds; one that is damaged counts as none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        cells = Cells(**{key: int(n) for key, n in content["cells"].items()})
        return Synthesis(cells, str(content["tool"]), float(content["seconds"]), remembered=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _keep(path: Path, made: Synthesis) -> None:
    content = asdict(made)
    del content["remembered"]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        written = path.with_suffix(".new")
        written.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        written.replace(path)
    except OSError as error:
        log.warning("synthesis results cannot be kept in %s: %s", path.parent, error.strerror)
