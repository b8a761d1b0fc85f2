"""Who may join a run, and what he is told (docs/protocol.md, "Joining")."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import zmq

from stream.run.assembly import Assembly
from stream.run.config import load_config
from stream.run.joining import Joiner, Place
from stream.run.launch import launcher
from stream.run.members import Members
from stream.run.network import wiring_of
from stream.run.recruiting import Recruiter
from stream.wire.fields import Fields
from stream.wire.messages import NO_RUN, Kind, unpack_header, unpack_json
from tests.stream.run.test_join import write_config
from triggers.errors import L1ChainError

RUN = 77
MORE = "transport: tcp\n"
ASK: dict[str, Any] = {"stage": "seeds", "l1chain": version("l1chain")}


@pytest.fixture
def assembly(tmp_path: Path) -> Assembly:
    return Assembly(
        load_config(
            write_config(tmp_path, external=True, more=MORE), ("scores.0.external=false", "scores.0.replicas=1")
        )
    )


@pytest.fixture
def members(assembly: Assembly, tmp_path: Path) -> Members:
    wiring = wiring_of(assembly.config, RUN, "", str(tmp_path), zmq.Context.instance())
    return Members((), launcher(assembly, wiring, tmp_path), assembly.delivery, 5)


@pytest.fixture
def recruiter(assembly: Assembly, members: Members) -> Recruiter:
    return Recruiter(assembly, RUN, members)


def told(answer: list[bytes]) -> dict[str, Any]:
    assert unpack_header(answer[0], NO_RUN, "test").kind is Kind.WELCOME
    return unpack_json(answer[1], "test")


def test_a_joiner_gets_a_name_an_incarnation_and_the_menu(recruiter: Recruiter, assembly: Assembly) -> None:
    answer, joined = recruiter.answer(b"one", ASK)
    order = told(answer)
    assert joined is not None
    assert (order["service"], order["incarnation"], order["run"]) == ("seeds.0", 6, RUN)
    assert answer[2] == Path(assembly.config.menu.path).read_bytes()
    assert order["menu"]["digest"] == assembly.menu.digest


def test_a_join_that_comes_twice_makes_one_replica(recruiter: Recruiter, members: Members) -> None:
    first, _ = recruiter.answer(b"one", ASK)
    again, joined = recruiter.answer(b"one", ASK)
    assert again == first
    assert joined is None
    assert told(recruiter.answer(b"two", ASK)[0])["service"] == "seeds.1"
    assert [member.peer.name for member in members] == ["seeds.0", "seeds.1"]


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"stage": "sedes"}, "unknown stage 'sedes'"),
        ({"stage": "score:axol1tl"}, "the run lets nobody join score:axol1tl"),
        ({"l1chain": "0.0.1"}, "this is l1chain 0.0.1"),
    ],
)
def test_who_cannot_join_is_told_why(recruiter: Recruiter, members: Members, asked: dict[str, str], what: str) -> None:
    answer, joined = recruiter.answer(b"one", ASK | asked)
    assert joined is None
    assert told(answer)["error"]["what"].startswith(what)
    assert not list(members)


@pytest.mark.parametrize(
    ("key", "what"), [("menu", "the menu that came is not the run's"), ("models", "is not here, or")]
)
def test_a_host_with_other_inputs_ends_with_one_sentence(
    recruiter: Recruiter, tmp_path: Path, key: str, what: str
) -> None:
    answer, _ = recruiter.answer(b"one", ASK)
    order = told(answer)
    order[key] = order[key] | {"digest": "0" * 64} if key == "menu" else {}
    joiner = Joiner(Place("tcp://127.0.0.1:1", "seeds", None), None, 1.0, None, lambda _: None)
    with pytest.raises(L1ChainError, match=what):
        joiner.local_assembly(Fields(order, "join"), answer[2], tmp_path)
