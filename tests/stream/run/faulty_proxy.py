"""A TCP proxy that delays, stalls, resets and caps what goes through it."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

_CHUNK: Final = 1 << 16


@dataclass
class FaultyProxy:
    """Listens on one address and passes to the same ports of another.

    Attributes:
        resets: connections that it has cut.
        stalls: times that it has let a direction wait.
        passed: bytes.
    """

    listen: str
    target: str
    ports: tuple[int, ...]
    delay_s: float = 0.05
    spread_s: float = 0.02
    stall_every_s: float = 4.0
    stall_s: float = 1.0
    reset_every_s: float = 6.0
    bytes_per_s: float = 20e6
    seed: int = 1
    resets: int = 0
    stalls: int = 0
    passed: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, stop: asyncio.Event) -> None:
        chance = random.Random(self.seed)  # noqa: S311 — chance, not secrets
        servers = []
        for port in self.ports:

            async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int = port) -> None:
                await self._connected(reader, writer, port, chance)

            servers.append(await asyncio.start_server(handle, self.listen, port))
        resetting = asyncio.create_task(self._reset_now_and_then(chance))
        await stop.wait()
        resetting.cancel()
        for server in servers:
            server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, chance: random.Random
    ) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(self.target, port)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, far_writer}
        self._writers |= pair
        try:
            await asyncio.gather(self._pass(reader, far_writer, chance), self._pass(far_reader, writer, chance))
        finally:
            self._writers -= pair
            for end in pair:
                end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chance: random.Random) -> None:
        """One direction, in order: read, and write when the delay is over."""
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(64)
        loop = asyncio.get_running_loop()

        async def write() -> None:
            next_stall = loop.time() + chance.uniform(0, 2 * self.stall_every_s)
            while True:
                due, data = await queue.get()
                if loop.time() > next_stall:
                    next_stall = loop.time() + chance.uniform(0, 2 * self.stall_every_s)
                    self.stalls += 1
                    await asyncio.sleep(self.stall_s)
                await asyncio.sleep(max(0.0, due - loop.time()))
                if not data:
                    return
                writer.write(data)
                self.passed += len(data)
                await writer.drain()
                await asyncio.sleep(len(data) / self.bytes_per_s)

        async def read() -> None:
            while True:
                data = await reader.read(_CHUNK)
                due = loop.time() + self.delay_s + chance.uniform(-self.spread_s, self.spread_s)
                await queue.put((due, data))
                if not data:
                    return

        with suppress(OSError):
            await asyncio.gather(read(), write())
        writer.transport.abort()

    async def _reset_now_and_then(self, chance: random.Random) -> None:
        while True:
            await asyncio.sleep(chance.uniform(0.5, 1.5) * self.reset_every_s)
            if self._writers:
                chance.choice(sorted(self._writers, key=id)).transport.abort()
                self.resets += 1


@contextmanager
def proxying(proxy: FaultyProxy) -> Iterator[FaultyProxy]:
    """The proxy, in a thread of its own."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(proxy.serve(stop),))
    thread.start()
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.run_until_complete(_rest_ended())
        loop.close()


async def _rest_ended() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
