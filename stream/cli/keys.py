"""`l1chain keys`: who may join a run over the network, and with what rights (`docs/security.md`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.output import JsonOption

if TYPE_CHECKING:
    from stream.wire.peers import Right

app = typer.Typer(
    no_args_is_help=True, help="Make keys for runs over the network; say who may send data, command, or watch."
)
FolderArgument = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of keys.")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of a client's key.")]
RIGHTS = "data (send and take batches), control (command), read (watch)"
DEFAULT_CLIENTS = ("chain:data", "operator:control", "watcher:read")


@app.command()
def make(
    folder: FolderArgument,
    clients: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME:RIGHT[+RIGHT]]...", help=f"Client keys to add, with their rights: {RIGHTS}."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make the keys of a chain: the server's, and clients chain (data), operator (control), watcher (read).

    With NAME:RIGHT, only these client keys are made. What is there is never overwritten. Where the folder holds the
    server's secret, the new clients are put on the allow-list.
    """
    from stream.wire.keys import SECRET_SUFFIX, SERVER, make_pair, refuse_existing
    from stream.wire.peers import ALLOW_LIST_FILE, allow, write_peers

    wanted = [_parse(client) for client in clients or DEFAULT_CLIENTS]
    names = [name for name, _ in wanted]
    refuse_existing(folder, names if clients else [SERVER, *names])
    if not clients:
        make_pair(folder, SERVER)
    for name in names:
        make_pair(folder, name)
    if (folder / (SERVER + SECRET_SUFFIX)).exists():
        if not (folder / ALLOW_LIST_FILE).exists():
            write_peers(folder, [])
        for name, rights in wanted:
            allow(folder, name, rights)
    _print(folder, as_json)


@app.command()
def show(folder: FolderArgument, as_json: JsonOption = False) -> None:
    """Show the public keys of a folder and the rights of their owners; secrets are never shown."""
    _print(folder, as_json)


@app.command("allow")
def allow_peer(
    folder: FolderArgument,
    name: NameArgument,
    rights: Annotated[list[str], typer.Argument(metavar="RIGHT...", help=RIGHTS)],
    key: Annotated[
        str | None, typer.Option(help="The public key, if it was made on another host: 64 hexadecimal digits.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Put a client on the allow-list, or change its rights; a running chain notices within a second."""
    from stream.wire.keys import write_public
    from stream.wire.peers import allow

    given = _rights(f"rights of '{name}'", rights)
    if key is not None:
        write_public(folder, name, key)
    allow(folder, name, given)
    _print(folder, as_json)


@app.command("revoke")
def revoke_peer(folder: FolderArgument, name: NameArgument, as_json: JsonOption = False) -> None:
    """Take a client off the allow-list; a running chain refuses its messages within a second."""
    from stream.wire.peers import revoke

    revoke(folder, name)
    _print(folder, as_json)


def _parse(client: str) -> tuple[str, list[Right]]:
    from triggers.errors import BadValue

    name, colon, rights = client.partition(":")
    if not colon or not name:
        raise BadValue(f"client '{client}'", "not NAME:RIGHT", "write for example worker-2:data or wall:read")
    return name, _rights(f"client '{client}'", rights.split("+"))


def _rights(where: str, names: list[str]) -> list[Right]:
    from stream.wire.peers import Right
    from triggers.errors import UnknownName

    for name in names:
        if name not in set(Right):
            raise UnknownName(where, "right", name, [str(right) for right in Right])
    return [Right(name) for name in names]


def _print(folder: Path, as_json: bool) -> None:
    from stream.cli.output import console, print_json

    keys = _listing(folder)
    if as_json:
        print_json({"folder": str(folder), "keys": keys})
        return
    from rich.table import Column, Table

    table = Table("name", "rights", "secret here", Column("public key", overflow="fold"))
    for entry in keys:
        table.add_row(entry["name"], ", ".join(entry["rights"]), "yes" if entry["secret"] else "no", entry["public"])
    console().print(table)


def _listing(folder: Path) -> list[dict[str, Any]]:
    from stream.wire.keys import SECRET_SUFFIX, key_names, read_public
    from stream.wire.peers import ALLOW_LIST_FILE, read_peers

    rights = {p.key: sorted(p.rights) for p in read_peers(folder)} if (folder / ALLOW_LIST_FILE).exists() else {}
    listing = []
    for name in key_names(folder):
        public = read_public(folder, name).hex()
        has_secret = (folder / (name + SECRET_SUFFIX)).exists()
        listing.append({"name": name, "public": public, "rights": rights.get(public, []), "secret": has_secret})
    return listing
