"""A run in a process of its own, for tests that disturb it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stream.run.control_client import Client
from stream.run.folder import RECORD_FILE
from triggers.errors import L1ChainError

PATIENCE_S = 100.0
CONFIG = """
run: {{out: {out}, colliding_bunches: 1000, orbits_per_lumi_section: 20}}
source: {{format: synthetic, seed: 3}}
menu: {{path: shipped:menus/demo.yaml}}
prescales: {{path: shipped:prescales/demo.csv, column: physics}}
scores: [{{name: axol1tl, version: demo-v1, aliases: [production]}}]
budgets: [{{name: anomaly, algorithms: [ad], rate_hz: 2000}}]
batch: {{crossings: 512, window: 8}}
metrics: {{address: null}}
"""


class Running:
    """A run that goes on while a test looks at it."""

    def __init__(self, process: subprocess.Popen[str], out: Path) -> None:
        self.process, self._out = process, out

    @property
    def folder(self) -> Path:
        (folder,) = (path.parent for path in self._out.glob(f"*/{RECORD_FILE}"))
        return folder

    def ask(self, command: str, **arguments: Any) -> Any:
        return Client(self.folder).ask(command, arguments, patience_s=30)

    def wait_for(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first status that fulfils the condition."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.process.communicate()[1]
            try:
                # Of a run that is resumed, the address may still be that of the process before: ask again soon.
                status = Client(self.folder).ask("status", patience_s=2)
            except (L1ChainError, ValueError):
                status = None
            if status and condition(status):
                return status
            time.sleep(0.05)
        raise AssertionError("it did not come to that")

    def wait_until_committing(self) -> dict[str, Any]:
        """A status of a whole chain that gets on."""
        before = self.wait_for(is_whole)["committed_batches"]
        return self.wait_for(lambda status: is_whole(status) and status["committed_batches"] > before)

    def end(self) -> dict[str, Any]:
        """The result, when it has ended."""
        out, err = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0, err
        result: dict[str, Any] = json.loads(out.splitlines()[-1])
        return result


def is_whole(status: dict[str, Any]) -> bool:
    return all(service["ready"] for service in status["services"].values())


def write_config(folder: Path) -> Path:
    path = folder / "chain.yaml"
    path.write_text(CONFIG.format(out=folder / "runs"))
    return path


@contextmanager
def running(*arguments: str, out: Path) -> Iterator[Running]:
    """A run with these arguments; killed at the end if it still runs."""
    command = [sys.executable, "-m", "stream.cli", "run", *arguments, "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    try:
        yield Running(process, out)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def settings(*overrides: str) -> list[str]:
    return [argument for override in overrides for argument in ("--set", override)]


def tables(result: dict[str, Any]) -> tuple[pa.Table, pa.Table, list[dict[str, Any]]]:
    """What must be identical: accepted crossings, counts of algorithms, lumi sections."""
    folder = Path(result["run_dir"])
    return (
        pq.read_table(folder / "accepted.parquet"),
        pq.read_table(folder / "rates.parquet"),
        result["lumi_sections"],
    )
