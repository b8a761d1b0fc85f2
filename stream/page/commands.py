"""Commands that come from the page: whoever has the token may give them (`docs/page.md`, "Commands")."""

from __future__ import annotations

import getpass
import hmac
import ipaddress
import json
import platform
import secrets
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import Field

from stream.page.errors import CommandRefused
from stream.page.watcher import Watcher
from triggers.strict_yaml import StrictModel, validated

MOST_BYTES: Final = 1 << 14
_SCHEME: Final = "Bearer "


class PageCommand(StrEnum):
    """The commands of `l1chain ctl` that the page passes on."""

    SWAP = "swap"
    ROLLBACK = "rollback"
    PRESCALE = "prescale"
    BUDGET_HOLD = "budget-hold"
    BUDGET_RELEASE = "budget-release"
    EMERGENCY_OFF = "emergency-off"
    PAUSE = "pause"
    RESUME = "resume"


class PageOrder(StrictModel):
    """What the page sends.

    Attributes:
        id: chosen by the page; the same one again has no further effect.
        command: which.
        arguments: of the command.
    """

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
    command: Annotated[PageCommand, Field(strict=False)]
    arguments: dict[str, Any] = Field(default_factory=dict)


class CommandDesk:
    """Checks commands and passes them on to the run.

    Args:
        watcher: of the run.

    Attributes:
        token: that a command must bring.
    """

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._who = f"page:{getpass.getuser()}@{platform.node()}"
        self.token = secrets.token_urlsafe(24)

    def check(self, authorization: str, address: str) -> None:
        """Whether whoever asks may give commands.

        Args:
            authorization: the header of that name.
            address: from which the request comes.

        Raises:
            CommandRefused: he may not.
        """
        if not ipaddress.ip_address(address).is_loopback:
            what = "commands are taken from this host only"
            raise CommandRefused(what, "come through `ssh -L`, or use `l1chain ctl`")
        given = authorization.removeprefix(_SCHEME).encode()
        if not authorization.startswith(_SCHEME) or not hmac.compare_digest(given, self.token.encode()):
            raise CommandRefused("the token is not the one of this page", "the terminal and RUN/page.json have it")

    def obey(self, body: bytes) -> Any:
        """The run's answer to a command that may be given.

        Raises:
            CommandRefused: it is none.
            L1ChainError: the run refused it, or did not answer.
        """
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            raise CommandRefused("is no JSON object", "see docs/page.md") from None
        order = validated(content, "command from the page", PageOrder)
        return self._watcher.ask(order.command, order.arguments, order.id, self._who)
