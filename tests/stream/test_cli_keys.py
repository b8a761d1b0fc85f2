"""`l1chain keys`: make, show, allow, revoke; secrets never leave their files."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream.cli.keys import app
from stream.errors import KeyUnusable
from stream.wire.keys import make_pair
from stream.wire.peers import read_peers
from stream.wire.security import open_security
from tests.stream.run.conftest import l1chain
from triggers.errors import BadValue, FileExists, FileMissing, UnknownName


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def result_of(*arguments: str | Path) -> str:
    run = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    if run.exception is not None:
        raise run.exception
    return run.stdout


def secrets_in(folder: Path) -> list[str]:
    return [path.read_text().strip() for path in folder.glob("*.secret")]


def rights(folder: Path) -> dict[str, set[str]]:
    return {peer.name: {str(right) for right in peer.rights} for peer in read_peers(folder)}


def test_make_gives_a_chain_all_it_needs(folder: Path) -> None:
    made = json.loads(result_of("make", folder, "--json"))
    assert [entry["name"] for entry in made["keys"]] == ["chain", "operator", "server", "watcher"]
    assert rights(folder) == {"chain": {"data"}, "operator": {"control"}, "watcher": {"read"}}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.glob("*.secret"))
    open_security(folder, "chain")


def test_make_adds_clients_and_overwrites_nothing(folder: Path) -> None:
    result_of("make", folder)
    before = sorted(secrets_in(folder))
    with pytest.raises(FileExists):
        result_of("make", folder)
    with pytest.raises(FileExists):
        result_of("make", folder, "fresh:read", "chain:control")
    assert sorted(secrets_in(folder)) == before
    result_of("make", folder, "worker-2:data", "desk:control+read")
    assert rights(folder)["desk"] == {"control", "read"}
    assert len(secrets_in(folder)) == 6


def test_a_key_made_on_another_host_is_allowed_by_its_public_half(folder: Path, tmp_path: Path) -> None:
    result_of("make", folder)
    elsewhere = tmp_path / "elsewhere"
    made = json.loads(result_of("make", elsewhere, "worker-2:data", "--json"))
    assert [entry["name"] for entry in made["keys"]] == ["worker-2"]
    assert not (elsewhere / "peers.yaml").exists()
    public = made["keys"][0]["public"]
    listed = json.loads(result_of("allow", folder, "worker-2", "data", "--key", public, "--json"))
    entry = next(entry for entry in listed["keys"] if entry["name"] == "worker-2")
    assert entry == {"name": "worker-2", "public": public, "rights": ["data"], "secret": False}
    with pytest.raises(KeyUnusable, match="no public key"):
        result_of("allow", folder, "worker-3", "data", "--key", "zz")


def test_rights_change_and_end(folder: Path) -> None:
    result_of("make", folder)
    result_of("allow", folder, "watcher", "read", "control")
    assert rights(folder)["watcher"] == {"read", "control"}
    result_of("revoke", folder, "watcher")
    assert "watcher" not in rights(folder)
    with pytest.raises(UnknownName):
        result_of("revoke", folder, "watcher")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("make", "client"), BadValue),
        (("make", "client:"), UnknownName),
        (("make", "client:root"), UnknownName),
        (("make", "../client:read"), KeyUnusable),
        (("allow", "nobody", "read"), FileMissing),
        (("allow", "nobody", "root"), UnknownName),
        (("show", None), FileMissing),
    ],
)
def test_bad_input_is_one_clear_error(folder: Path, arguments: tuple[str, ...], error: type[Exception]) -> None:
    command, *rest = arguments
    with pytest.raises(error):
        result_of(command, folder, *(text for text in rest if text))


def test_secrets_are_shown_by_no_command(folder: Path) -> None:
    printed = result_of("make", folder)
    for arguments in (("show",), ("show", "--json"), ("make", "more:read", "--json"), ("revoke", "more")):
        printed += result_of(arguments[0], folder, *arguments[1:])
    secrets = secrets_in(folder)
    assert len(secrets) == 5
    assert not any(secret in printed.replace("\n", "") for secret in secrets)
    for public in folder.glob("*.public"):
        assert public.read_text().strip() in printed


def test_the_command_line_has_it(folder: Path) -> None:
    assert l1chain("keys", "make", str(folder)).code == 0
    again = l1chain("keys", "make", str(folder))
    assert again.code == 2
    assert again.err.startswith("error: ")
    assert again.err.count("\n") == 1
    make_pair(folder, "later")
    assert "later" in l1chain("keys", "show", str(folder)).out
