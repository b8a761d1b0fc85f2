"""Key folders and allow-lists (docs/security.md, sections "Keys" and "Rights")."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

import pytest

from stream.errors import KeyUnusable
from stream.wire.keys import key_names, make_pair, read_pair, read_public
from stream.wire.peers import ALLOW_LIST_FILE, AllowList, Peer, Right, allow, read_peers, revoke, write_peers
from triggers.errors import BadValue, FileExists, FileMissing, FileUnreadable, UnknownName


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_pair_is_private_to_the_account_and_never_overwritten(folder: Path) -> None:
    public = make_pair(folder, "server")
    assert (mode(folder), mode(folder / "server.secret"), mode(folder / "server.public")) == (0o700, 0o600, 0o644)
    assert read_public(folder, "server").hex() == public
    assert read_pair(folder, "server").public.hex() == public
    with pytest.raises(FileExists):
        make_pair(folder, "server")
    assert read_pair(folder, "server").public.hex() == public
    assert key_names(folder) == ["server"]


def test_keys_differ(folder: Path) -> None:
    assert make_pair(folder, "one") != make_pair(folder, "two")


def test_a_secret_shows_in_no_representation(folder: Path) -> None:
    make_pair(folder, "chain")
    pair = read_pair(folder, "chain")
    for text in (repr(pair), str(pair), f"{pair}"):
        assert pair.secret.hex() not in text
        assert repr(pair.secret) not in text


def test_a_secret_that_others_may_read_is_refused(folder: Path) -> None:
    make_pair(folder, "chain")
    (folder / "chain.secret").chmod(0o640)
    with pytest.raises(KeyUnusable, match="others may read it"):
        read_pair(folder, "chain")


def test_a_folder_that_others_may_enter_is_refused(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    with pytest.raises(KeyUnusable, match="others may enter it"):
        make_pair(folder, "chain")
    assert not list(folder.iterdir())


def test_a_file_that_holds_no_key_is_refused_without_showing_it(folder: Path) -> None:
    make_pair(folder, "chain")
    secret = folder / "chain.secret"
    damaged = secret.read_text().replace("a", "x")[:60]
    secret.write_text(damaged)
    with pytest.raises(KeyUnusable, match="holds no key") as raised:
        read_pair(folder, "chain")
    assert damaged not in str(raised.value)
    with pytest.raises(FileMissing, match="no such key"):
        read_public(folder, "nobody")


@pytest.mark.parametrize("name", ["", "../up", "A", "a b", "x" * 41, ".hidden", "a\n"])
def test_names_of_keys_are_plain(folder: Path, name: str) -> None:
    with pytest.raises(KeyUnusable, match="no name for a key"):
        make_pair(folder, name)
    assert not folder.exists()


def test_rights_are_given_changed_and_taken(folder: Path) -> None:
    keys = {name: make_pair(folder, name) for name in ("chain", "wall")}
    allow(folder, "chain", [Right.DATA])
    allow(folder, "wall", [Right.READ])
    allow(folder, "wall", [Right.READ, Right.CONTROL])
    assert read_peers(folder) == [
        Peer("chain", keys["chain"], frozenset({Right.DATA})),
        Peer("wall", keys["wall"], frozenset({Right.READ, Right.CONTROL})),
    ]
    revoke(folder, "chain")
    assert [peer.name for peer in read_peers(folder)] == ["wall"]
    with pytest.raises(UnknownName, match="unknown peer 'chain'"):
        revoke(folder, "chain")
    with pytest.raises(FileMissing):
        allow(folder, "nobody", [Right.READ])


def test_one_key_has_one_name(folder: Path) -> None:
    make_pair(folder, "chain")
    allow(folder, "chain", [Right.DATA])
    (folder / "again.public").write_text((folder / "chain.public").read_text())
    with pytest.raises(KeyUnusable, match="is the key of 'chain'"):
        allow(folder, "again", [Right.CONTROL])


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("peers: [", FileUnreadable),
        ("peers: [{name: a, key: zz, rights: [read]}]", BadValue),
        (f"peers: [{{name: a, key: '{'0' * 64}', rights: []}}]", BadValue),
        (f"peers: [{{name: a, key: '{'0' * 64}', rights: [root]}}]", BadValue),
        (f"peers: [{{name: a, key: '{'0' * 64}', rights: [read], host: x}}]", UnknownName),
        ("friends: []", UnknownName),
        ("peers: [" + 2 * f"{{name: a, key: '{'0' * 64}', rights: [read]}}," + "]", BadValue),
    ],
)
def test_a_damaged_allow_list_is_one_clear_error(folder: Path, text: str, error: type[Exception]) -> None:
    folder.mkdir(mode=0o700)
    (folder / ALLOW_LIST_FILE).write_text(text)
    with pytest.raises(error, match=ALLOW_LIST_FILE):
        AllowList(folder)


def test_a_running_chain_notices_changes(folder: Path) -> None:
    key = make_pair(folder, "wall")
    allow(folder, "wall", [Right.READ])
    peers = AllowList(folder, reread_s=0)
    peer = peers.peer(key)
    assert peer is not None
    assert peer.may(Right.READ, Right.DATA)
    assert not peer.may(Right.CONTROL)
    allow(folder, "wall", [Right.CONTROL])
    changed = peers.peer(key)
    assert changed is not None
    assert changed.may(Right.CONTROL)
    revoke(folder, "wall")
    assert peers.peer(key) is None
    assert peers.peer(None) is None


def test_an_allow_list_damaged_while_it_is_used_stays_as_it_was(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    key = make_pair(folder, "wall")
    allow(folder, "wall", [Right.READ])
    peers = AllowList(folder, reread_s=0)
    (folder / ALLOW_LIST_FILE).write_text("peers: [")
    with caplog.at_level(logging.ERROR):
        assert peers.peer(key) is not None
    assert "stays as it was" in caplog.text
    (folder / ALLOW_LIST_FILE).unlink()
    assert peers.peer(key) is not None
    write_peers(folder, [])
    assert peers.peer(key) is None


def test_the_allow_list_is_replaced_whole(folder: Path) -> None:
    make_pair(folder, "wall")
    allow(folder, "wall", [Right.READ])
    assert sorted(os.listdir(folder)) == [ALLOW_LIST_FILE, "wall.public", "wall.secret"]
