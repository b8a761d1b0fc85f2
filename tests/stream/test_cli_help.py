"""`--help` of every command says what it does and what each option means."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from stream.cli.app import app


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


ALL = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_tells_what_a_command_does_and_every_option(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ALL[path]
    assert command.help
    assert command.help.partition("\n\n")[0].endswith(".")
    unexplained = [parameter.name for parameter in command.params if not getattr(parameter, "help", None)]
    assert not unexplained
    command.main(["--help"], prog_name=" ".join(("l1chain", *path)), standalone_mode=False)
    shown = capsys.readouterr().out
    assert shown.startswith("Usage: ")
    assert "\b" not in shown
    assert not [option for option in long_options(command) if option not in shown], "a name is cut"


def long_options(command: Any) -> list[str]:
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    return [option for parameter in shown for option in parameter.opts if option.startswith("--")]


def test_the_commands_that_people_begin_with_have_examples() -> None:
    for name in ("run", "demo", "replay", "report", "top", "ctl", "menu"):
        assert f"  l1chain {name}" in CliRunner().invoke(app, [name, "--help"]).output


def test_the_help_tells_the_exit_codes() -> None:
    assert "2 bad input" in " ".join(CliRunner().invoke(app, ["--help"]).output.split())


@pytest.mark.parametrize(
    ("line", "completed"),
    [("l1chain re", {"report", "replay"}), ("l1chain ctl s", {"swap", "status", "stop", "shadow"})],
)
def test_the_shell_completes_commands(line: str, completed: set[str]) -> None:
    words = line.split()
    asked = {"_L1CHAIN_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    ended = subprocess.run(
        [Path(sys.executable).parent / "l1chain"], env=os.environ | asked, capture_output=True, text=True, timeout=100
    )
    assert set(ended.stdout.split()) == completed, ended.stderr
