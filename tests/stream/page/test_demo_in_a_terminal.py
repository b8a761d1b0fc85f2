"""The demo on a terminal: its page stays after the run until Ctrl-C (docs/page.md)."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest

from stream.page.server import PAGE_FILE

pytestmark = pytest.mark.heavy
PATIENCE_S = 100.0
IN_A_TERMINAL = """
import os, pty, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell lets what it starts in the background ignore it
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))
"""
CTRL_C = b"\x03"
SHORT = ("run.orbits_per_lumi_section=10",)
FOR_EVER = ("run.lumi_sections=1000000", "run.pace=0.001")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_STAYS = re.compile(r"The live page stays at (http://\S+) until Ctrl-C\.")


class Terminal:
    """A program in a pseudo-terminal of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process, self._seen = process, b""

    @property
    def text(self) -> str:
        """What it wrote, without colours and moves of the cursor."""
        return _ESCAPES.sub("", self._seen.decode(errors="replace"))

    def wait_for(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """Read on until the text has this."""
        assert self._process.stdout
        descriptor, deadline = self._process.stdout.fileno(), time.monotonic() + PATIENCE_S
        while not (found := pattern.search(self.text)):
            told, _, _ = select.select([descriptor], [], [], max(deadline - time.monotonic(), 0))
            some = os.read(descriptor, 1 << 16) if told else b""
            assert some, f"it ended, or says no more: {self.text}"
            self._seen += some
        return found

    def press(self, key: bytes) -> None:
        assert self._process.stdin
        self._process.stdin.write(key)
        self._process.stdin.flush()

    def end(self) -> int:
        """Read to its end; the exit code."""
        self._seen += self._process.communicate(timeout=PATIENCE_S)[0]
        return self._process.returncode


@contextmanager
def demo(out: Path, *overrides: str) -> Iterator[Terminal]:
    settings = [argument for override in overrides for argument in ("--set", override)]
    command = [sys.executable, "-c", IN_A_TERMINAL, sys.executable, "-m", "stream.cli", "demo", "--out", str(out)]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "200", "LINES": "50"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([*command, *settings], env=environment, **pipes)
    try:
        yield Terminal(process)
    finally:
        if process.poll() is None:
            process.kill()  # the terminal goes, and with it what runs in it
        process.communicate()


def get(url: str, path: str) -> bytes:
    with closing(HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_S)) as connection:
        connection.request("GET", path)
        return connection.getresponse().read()


def page_state(url: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What the page tells, once it is so."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        state: dict[str, Any] = json.loads(get(url, "/state"))
        if state and condition(state):
            return state
        time.sleep(0.1)
    raise AssertionError(f"it did not come to that: {state}")


def check_that_it_left_everything(out: Path, url: str) -> dict[str, Any]:
    """The tables are written and the page has gone; the run record."""
    (folder,) = out.glob("run-*")
    record: dict[str, Any] = json.loads((folder / "run.json").read_bytes())
    assert record["state"] == "ended"
    assert record["failure"] is None
    assert record["produced"] == record["decided"] + sum(record["dead"].values())
    assert pq.read_table(folder / "accepted.parquet").num_rows == record["accepted"]
    assert pq.read_table(folder / "rates.parquet").num_rows == record["menu"]["algorithms"]
    assert not (folder / PAGE_FILE).exists()
    with pytest.raises(ConnectionRefusedError):
        get(url, "/")
    return record


def test_the_page_stays_after_the_run_until_ctrl_c(tmp_path: Path) -> None:
    with demo(tmp_path, *SHORT) as terminal:
        url = terminal.wait_for(_STAYS)[1]
        assert b"<title>l1chain</title>" in get(url, "/")
        state = page_state(url, lambda state: state["state"] == "ended")
        terminal.press(CTRL_C)
        assert terminal.end() == 0, terminal.text
    assert "Traceback" not in terminal.text
    record = check_that_it_left_everything(tmp_path, url)
    assert state["progress"]["decided"] == record["decided"] == 5 * 10 * 2544


def test_ctrl_c_ends_the_run_and_the_next_one_its_page(tmp_path: Path) -> None:
    with demo(tmp_path, *SHORT, *FOR_EVER) as terminal:
        url = terminal.wait_for(re.compile(r"live page: (http://\S+)   \(with commands: \S+#token=\S+\)"))[1]
        page_state(url, lambda state: state["state"] == "running" and state["progress"]["decided"] > 0)
        terminal.press(CTRL_C)
        assert terminal.wait_for(_STAYS)[1] == url
        page_state(url, lambda state: state["state"] == "ended")
        terminal.press(CTRL_C)
        assert terminal.end() == 0, terminal.text
    assert "Traceback" not in terminal.text
    record = check_that_it_left_everything(tmp_path, url)
    assert record["ended"] == "interrupted"
