"""What is said over MQTT: topics, payloads, qualities of service (`docs/mqtt.md`)."""

from __future__ import annotations

import hashlib
import hmac
import json
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field

from stream.mqtt.errors import CommandRefused
from stream.mqtt.settings import MqttSettings, Name
from triggers.errors import L1ChainError
from triggers.strict_yaml import StrictModel, validated

AT_MOST_ONCE: Final = 0
AT_LEAST_ONCE: Final = 1
LONGEST_COMMAND_BYTES: Final = 1 << 14
LONGEST_AGE_S: Final = 120.0
"""A command signed longer ago, or further in the future, is refused."""


class Topic(StrEnum):
    """Topics below `prefix/chain/`."""

    STATE = "state"
    HEALTH = "health"
    LUMI_SECTION = "lumi_section"
    ALARM = "alarm"
    COMMAND = "command"
    REPLY = "reply"

    def of(self, settings: MqttSettings) -> str:
        """The whole topic."""
        return f"{settings.prefix}/{settings.chain}/{self}"


class ChainState(StrEnum):
    """What a chain says of itself; `offline` is said by the broker when the chain is gone."""

    OFFLINE = "offline"
    IDLE = "idle"
    RUNNING = "running"


class Told(StrictModel):
    """A payload that the chain sends."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_bytes(self) -> bytes:
        """JSON, UTF-8."""
        return self.model_dump_json().encode()


class StateTold(Told):
    """Topic `state`, retained: whether there is a chain and what it does.

    Attributes:
        state: what it does.
        time: when, ISO 8601, UTC; empty in the last will.
        run: name of the run's folder, if there is one.
    """

    state: ChainState
    time: str = ""
    run: str | None = None


class HealthTold(Told):
    """Topic `health`, retained: the answer of `l1chain ctl status`."""

    time: str
    run: str
    status: dict[str, Any]


class LumiSectionTold(Told):
    """Topic `lumi_section`, retained: the row of the run record of the lumi section that ended last."""

    run: str
    row: dict[str, Any]


class AlarmTold(Told):
    """Topic `alarm`: something an operator should know.

    Attributes:
        alarm: which, of `docs/mqtt.md`, "Alarms".
        text: what and where.
    """

    time: str
    run: str
    alarm: str
    text: str


class Order(StrictModel):
    """Topic `command`: what an operator asks.

    Attributes:
        id: chosen by the operator; the same id again gets the same answer and does nothing.
        who: the operator.
        time_s: when it was signed, seconds since 1970.
        command: `start`, or a command of `l1chain ctl`.
        arguments: of the command.
        reply_to: topic for the answer; not given: `reply/ID`.
        signature: from `signature_of`.
    """

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
    who: Name
    time_s: float
    command: Annotated[str, Field(max_length=64)]
    arguments: dict[str, Any] = Field(default_factory=dict)
    reply_to: Annotated[str, Field(pattern=r"^[^+#\x00]{1,256}$")] | None = None
    signature: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def signature_of(order: dict[str, Any], secret: bytes) -> str:
    """HMAC-SHA-256, hex, of an order without its signature, as JSON with sorted keys and no spaces."""
    signed = {key: value for key, value in order.items() if key != "signature"}
    text = json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def checked_order(payload: bytes, operators: dict[str, bytes], now_s: float) -> Order:
    """An order that an operator signed.

    Raises:
        CommandRefused: it is none, too long, too old, or not signed by an operator.
    """
    if len(payload) > LONGEST_COMMAND_BYTES:
        raise CommandRefused(f"is {len(payload)} bytes long", f"use at most {LONGEST_COMMAND_BYTES}")
    try:
        content = json.loads(payload)
        order = validated(content, "MQTT command", Order)
    except (ValueError, RecursionError):
        raise CommandRefused("is no JSON object", "see docs/mqtt.md") from None
    except L1ChainError as error:
        raise CommandRefused(str(error), "see docs/mqtt.md") from error
    secret = operators.get(order.who)
    if secret is None or not hmac.compare_digest(order.signature, signature_of(content, secret)):
        raise CommandRefused(f"of '{order.who}' is not signed by an operator", "sign it with an operator's secret")
    if abs(now_s - order.time_s) > LONGEST_AGE_S:
        raise CommandRefused(f"was signed {now_s - order.time_s:.0f} s ago", "set the clocks and sign it again")
    return order


class Answer(Told):
    """The answer to an order.

    Attributes:
        id: of the order.
        ok: whether it was done.
        result: what `l1chain ctl` would print.
        error: where, what and remedy, if it was not.
    """

    id: str
    ok: bool
    result: Any = None
    error: dict[str, str] | None = None
