"""The examples of the docs, run as a reader would run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
MARK = "# run\n"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECTION = re.compile(r"^## (.*)$", re.MULTILINE)

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]


def examples() -> list[tuple[str, str]]:
    """Page and section, and the script, of every block that is marked."""
    found = []
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text()
        for block in BLOCK.finditer(text):
            if block[1].startswith(MARK):
                section = SECTION.findall(text, 0, block.start())[-1]
                found.append((f"{page.name}: {section}", block[1]))
    return found


EXAMPLES = examples()


def test_the_examples_are_found() -> None:
    assert {name for name, _ in EXAMPLES} >= {
        "examples.md: Replay a run against two menus",
        "examples.md: Load test",
        "examples.md: Rates live",
        "examples.md: Swap a model version",
    }


@pytest.mark.parametrize("script", [script for _, script in EXAMPLES], ids=[name for name, _ in EXAMPLES])
def test_an_example_works(script: str, tmp_path: Path) -> None:
    # Whatever the script leaves running ends with it.
    ending = "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n"
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    ended = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", ending + script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=540,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
