"""Runs simulators and compilers of RTL."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from firmware.errors import CompileFailed


def run_tool(command: list[str], source: Path, work: Path, environment: Mapping[str, str] | None = None) -> str:
    """What a command that works in a folder prints; all that it leaves is in the folder, also if it is ended.

    Raises:
        CompileFailed: it refuses the sources; the message has all that it said.
    """
    variables = {**os.environ, "TMPDIR": str(work), **(environment or {})}
    done = subprocess.run(  # noqa: S603 (our own command on files that we wrote)
        command, cwd=work, env=variables, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CompileFailed(source, done.stdout + done.stderr)
    return done.stdout
