"""Between a broker and the chains of this account: telemetry out, commands in (`docs/mqtt.md`).

It is a process of its own: whatever the broker does, a run neither waits nor slows down.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiomqtt

from stream.mqtt.alarms import StatusAlarms, of_lumi_section
from stream.mqtt.following import Follower
from stream.mqtt.orders import Orders
from stream.mqtt.outbox import Letter, Outbox
from stream.mqtt.payloads import (
    AT_LEAST_ONCE,
    AT_MOST_ONCE,
    AlarmTold,
    Answer,
    ChainState,
    HealthTold,
    LumiSectionTold,
    StateTold,
    Topic,
)
from stream.mqtt.settings import MqttSettings, read_operators
from stream.run.control_client import Client
from triggers.errors import L1ChainError

STATUS_PERIOD_S: Final = 2.0
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
_KEEPALIVE_S: Final = 10
GOODBYE_S: Final = 3.0
"""The last message to the broker may take so long."""
_log = logging.getLogger("l1chain.stream.mqtt")


class Bridge:
    """Serves one broker until it is cancelled.

    Args:
        settings: of the broker.
        runs: folder of run folders; the latest that is running is told of and commanded.
        configurations: folder of configurations that `start` may name; None: nothing can be started.
        connected: called at each connection.
    """

    def __init__(
        self,
        settings: MqttSettings,
        runs: Path,
        configurations: Path | None = None,
        connected: Callable[[], None] | None = None,
    ) -> None:
        self._settings, self._connected = settings, connected
        self._password, self._tls = settings.password(), settings.tls()
        self._outbox = Outbox()
        self._follower = Follower(runs, self._hear_lumi_section)
        self._orders = Orders(runs, configurations, read_operators(settings.operators_file), self._follower.client)
        self._alarms = StatusAlarms()
        self._state: StateTold | None = None
        self._obeying: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Tell and obey; connects again for ever, with growing pauses."""
        loop = asyncio.get_running_loop()
        self._follower.start(loop)
        watching = asyncio.create_task(self._watch())
        try:
            await self._stay_connected()
        finally:
            watching.cancel()
            self._follower.stop()
            self._orders.close()

    async def _stay_connected(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                async with self._client() as client:
                    pause_s = _FIRST_PAUSE_S
                    if self._connected:
                        self._connected()
                    await self._talk(client)
            except (aiomqtt.MqttError, OSError) as error:
                _log.warning("no broker at %s:%d (%s)", self._settings.host, self._settings.port, error)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 (spreads clients, hides nothing)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[aiomqtt.Client]:
        settings = self._settings
        will = aiomqtt.Will(
            Topic.STATE.of(settings), StateTold(state=ChainState.OFFLINE).to_bytes(), AT_LEAST_ONCE, retain=True
        )
        async with aiomqtt.Client(
            settings.host,
            settings.port,
            username=settings.username,
            password=self._password,
            tls_context=self._tls,
            identifier=f"l1chain-{settings.chain}",
            clean_session=False,
            will=will,
            keepalive=_KEEPALIVE_S,
        ) as client:
            yield client

    async def _talk(self, client: aiomqtt.Client) -> None:
        await client.subscribe(Topic.COMMAND.of(self._settings), qos=AT_LEAST_ONCE)
        self._say_state(self._state or StateTold(state=ChainState.IDLE, time=_now()))
        telling = asyncio.create_task(self._tell(client))
        hearing = asyncio.create_task(self._hear(client))
        try:
            done, _ = await asyncio.wait({telling, hearing}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except asyncio.CancelledError:
            await ended(telling)
            await self._say_offline(client)
            raise
        finally:
            await ended(telling, hearing)

    async def _say_offline(self, client: aiomqtt.Client) -> None:
        """What the last will says, which a connection that is ended in good order does not have."""
        told = StateTold(state=ChainState.OFFLINE, time=_now())
        with suppress(aiomqtt.MqttError):
            topic = Topic.STATE.of(self._settings)
            await client.publish(topic, told.to_bytes(), qos=AT_LEAST_ONCE, retain=True, timeout=GOODBYE_S)

    async def _tell(self, client: aiomqtt.Client) -> None:
        while True:
            letter = await self._outbox.first()
            await client.publish(letter.topic, letter.payload, qos=letter.qos, retain=letter.retain)
            self._outbox.sent(letter)

    async def _hear(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            payload = message.payload
            if message.retain or not isinstance(payload, bytes):
                continue  # an order that waits for whoever comes is no order
            task = asyncio.create_task(self._obey(payload))
            self._obeying.add(task)  # the loop itself keeps no task alive
            task.add_done_callback(self._obeying.discard)

    async def _obey(self, payload: bytes) -> None:
        topic, answer = await asyncio.to_thread(self._orders.obey, payload, time.time())
        self._say_answer(topic, answer)

    def _say_answer(self, topic: str | None, answer: Answer) -> None:
        place = topic or f"{Topic.REPLY.of(self._settings)}/{answer.id or 'unknown'}"
        self._outbox.put(Letter(place, answer.to_bytes(), AT_LEAST_ONCE, retain=False))

    def _say_state(self, state: StateTold) -> None:
        self._state = state
        self._outbox.put(Letter(Topic.STATE.of(self._settings), state.to_bytes(), AT_LEAST_ONCE, retain=True))

    def _hear_lumi_section(self, run: str, row: dict[str, Any], l1_rate_limit_hz: float) -> None:
        told = LumiSectionTold(run=run, row=row)
        self._outbox.put(Letter(Topic.LUMI_SECTION.of(self._settings), told.to_bytes(), AT_LEAST_ONCE, retain=True))
        for name, text in of_lumi_section(row, l1_rate_limit_hz):
            self._say_alarm(run, name, text)

    def _say_alarm(self, run: str, name: str, text: str) -> None:
        told = AlarmTold(time=_now(), run=run, alarm=name, text=text)
        self._outbox.put(Letter(Topic.ALARM.of(self._settings), told.to_bytes(), AT_LEAST_ONCE, retain=False))

    async def _watch(self) -> None:
        while True:
            client = self._follower.client()
            status = None if client is None else await asyncio.to_thread(_status, client)
            state = ChainState.IDLE if status is None else ChainState.RUNNING
            run = client.folder.name if client is not None and status is not None else None
            if self._state is None or (self._state.state, self._state.run) != (state, run):
                self._say_state(StateTold(state=state, time=_now(), run=run))
            if status is not None and run is not None:
                told = HealthTold(time=_now(), run=run, status=status)
                self._outbox.put(Letter(Topic.HEALTH.of(self._settings), told.to_bytes(), AT_MOST_ONCE, retain=True))
                for name, text in self._alarms.of_status(status):
                    self._say_alarm(run, name, text)
            await asyncio.sleep(STATUS_PERIOD_S)


async def ended(*tasks: asyncio.Task[Any], again_after_s: float = 0.1) -> None:
    """Cancel tasks, again if they go on: Python 3.11 loses a cancellation that comes with what is waited for."""
    while pending := {task for task in tasks if not task.done()}:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=again_after_s)
    await asyncio.gather(*tasks, return_exceptions=True)


def _status(client: Client) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = client.ask("status", patience_s=STATUS_PERIOD_S)
    except L1ChainError:
        return None
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
