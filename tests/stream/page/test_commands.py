"""Who may give commands from the page (docs/page.md, "Commands")."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stream.page.commands import CommandDesk
from stream.page.errors import CommandRefused
from triggers.errors import L1ChainError

HERE = "127.0.0.1"


class Asked:
    """A watcher that notes what the run is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def ask(self, *arguments: Any) -> dict[str, int]:
        self.asked.append(arguments)
        return {"lumi_section": 7}


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def desk(asked: Asked) -> CommandDesk:
    return CommandDesk(asked)  # type: ignore[arg-type]


def test_whoever_has_the_token_may(desk: CommandDesk) -> None:
    desk.check(f"Bearer {desk.token}", HERE)
    desk.check(f"Bearer {desk.token}", "::1")
    assert len(desk.token) >= 32


@pytest.mark.parametrize(
    "given", ["", "Bearer ", "Bearer wrong", "Basic {token}", "{token}", "Bearer {token}x", "Bearer é"]
)
def test_nobody_else_may(desk: CommandDesk, given: str) -> None:
    with pytest.raises(CommandRefused, match="the token is not the one of this page"):
        desk.check(given.format(token=desk.token), HERE)


def test_not_from_other_hosts(desk: CommandDesk) -> None:
    with pytest.raises(CommandRefused, match="from this host only"):
        desk.check(f"Bearer {desk.token}", "192.0.2.7")


def order(**changes: Any) -> bytes:
    return json.dumps({"id": "0123abcd", "command": "prescale", "arguments": {"column": "x"}} | changes).encode()


def test_a_command_is_passed_on_with_its_id_and_who_asks(desk: CommandDesk, asked: Asked) -> None:
    assert desk.obey(order()) == {"lumi_section": 7}
    ((command, arguments, request_id, who),) = asked.asked
    assert (command, arguments, request_id) == ("prescale", {"column": "x"}, "0123abcd")
    assert who.startswith("page:")


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"\xff", b"[" * 10_000, order(command="stop"), order(id="../x"), order(arguments=[]), order(more=1)],
)
def test_what_is_no_command_is_refused(desk: CommandDesk, asked: Asked, body: bytes) -> None:
    with pytest.raises(L1ChainError, match="command from the page"):
        desk.obey(body)
    assert asked.asked == []
