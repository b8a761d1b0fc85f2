"""What the commands to a running chain share: options, asking, printing."""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

import typer

from stream.cli.output import console, print_json

RunOption = Annotated[
    Path | None, typer.Option("--run", metavar="FOLDER", help="Folder of the run. [default: the latest below ./runs]")
]
AtOption = Annotated[
    str, typer.Option("--at", metavar="LUMI|next", help="First lumi section concerned; one that has not begun.")
]

remote: ContextVar[tuple[str, Path, str] | None] = ContextVar("remote", default=None)
"""Address, keys and name with which a run on another host is asked."""


def change(run: Path | None, command: str, arguments: dict[str, Any], at: str, as_json: bool, text: str) -> None:
    """Ask for a change at a lumi-section boundary, and print what came of it."""
    tell(ask(run, command, arguments | {"at": _boundary(at)}), as_json, text)


def _boundary(at: str) -> int | str:
    from triggers.errors import BadValue

    if at == "next":
        return at
    if not at.isdecimal() or not int(at):
        raise BadValue("--at", f"'{at}' is no lumi section", "give its number, from 1, or `next`")
    return int(at)


def ask(run: Path | None, command: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
    """The result of a command."""
    from stream.run.control_client import Client, find_run

    address = remote.get()
    client = find_run(run) if address is None else Client.remote(*address)
    result: dict[str, Any] = client.ask(command, arguments)
    return result


def tell(result: dict[str, Any], as_json: bool, text: str) -> None:
    """Print a result: as JSON, or as a sentence with its values."""
    if as_json:
        print_json(result)
    else:
        console().print(text.format(**result), highlight=False, markup=False)
