"""Small runs that end-to-end tests share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stream.wire.keys import make_pair
from stream.wire.peers import Right, allow
from triggers.events.synthetic import SyntheticSource

CROSSINGS = 30_000


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The last line of standard output, which `--json` promises to be the result."""
        return json.loads(self.out.splitlines()[-1])

    @property
    def accepted(self) -> pa.Table:
        return pq.read_table(Path(self.result["run_dir"]) / "accepted.parquet")


def l1chain(*arguments: str, cwd: Path | None = None, timeout_s: float = 120) -> Ended:
    """Run the command line as a user would."""
    command = [sys.executable, "-m", "stream.cli", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=timeout_s, env=os.environ)
    return Ended(ended.returncode, ended.stdout, ended.stderr)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Of a chain, its operator and somebody who may watch it."""
    folder = tmp_path / "keys"
    for name, right in (("server", None), ("chain", Right.DATA), ("operator", Right.CONTROL), ("watcher", Right.READ)):
        make_pair(folder, name)
        if right is not None:
            allow(folder, name, [right])
    return folder


@pytest.fixture(scope="session")
def crossings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Synthetic zero bias in a Parquet file."""
    path = tmp_path_factory.mktemp("crossings") / "zero-bias.parquet"
    batches = list(SyntheticSource(CROSSINGS, seed=5, pileup=60).batches(10_000))
    pq.write_table(pa.Table.from_batches(batches), path)
    return path


@pytest.fixture
def chain(tmp_path: Path, crossings: Path) -> Callable[..., Ended]:
    """Runs the demo's menu, model and budget on the file, in short lumi sections, with overrides."""
    config = tmp_path / "chain.yaml"
    config.write_text(
        f"""
run: {{out: {tmp_path / "runs"}, colliding_bunches: 1000, orbits_per_lumi_section: 7}}
source: {{paths: [{crossings}]}}
menu: {{path: shipped:menus/demo.yaml}}
scores: [{{name: axol1tl, version: demo-v1, aliases: [production]}}]
budgets: [{{name: anomaly, algorithms: [ad], rate_hz: 2000}}]
batch: {{crossings: 1024, window: 8}}
"""
    )

    def run(*overrides: str, json_: bool = True) -> Ended:
        settings = [argument for override in overrides for argument in ("--set", override)]
        return l1chain("run", str(config), *settings, *(["--json"] if json_ else []))

    return run
