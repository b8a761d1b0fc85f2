"""A run over TCP with keys goes on, bit for bit, whatever strangers and peers throw at it (docs/security.md)."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import zmq

from stream.wire.keys import make_pair, read_pair, read_public
from stream.wire.messages import Header, Kind, pack_json
from stream.wire.peers import Right, allow
from stream.wire.transport import Socket, frame_limit
from tests.stream.run.conftest import Ended, l1chain

HOST = "127.0.0.2"
BATCH = 2000
COMMANDS = f"{HOST}:45670"
LUMI_SECTIONS = 100
CROSSINGS = LUMI_SECTIONS * 50 * 2544
FLOOD = 2000
PATIENCE_S = 60.0
_sockets: list[Socket] = []
CLIENTS = {"chain": Right.DATA, "rogue": Right.DATA, "watcher": Right.READ, "operator": Right.CONTROL}


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    make_pair(folder, "server")
    for name, right in CLIENTS.items():
        make_pair(folder, name)
        allow(folder, name, [right])
    make_pair(folder, "stranger")
    return folder


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Long enough to be attacked, short enough for a test."""
    (tmp_path / "menu.yaml").write_text(
        "name: m\nexternals: {EXT_ZeroBias: 4}\nalgorithms:\n"
        "  - {name: L1_ZB, index: 3, expression: EXT_ZeroBias}\n  - {name: L1_EG, index: 4, expression: EG40}\n"
    )
    path = tmp_path / "chain.yaml"
    path.write_text(
        "source: {format: synthetic, crossings: 20000, repeat: forever, prepare: true}\nmenu: {path: menu.yaml}\n"
        f"batch: {{crossings: {BATCH}, window: 8}}\n"
        f"run: {{out: {tmp_path}/runs, lumi_sections: {LUMI_SECTIONS}, orbits_per_lumi_section: 50,\n"
        "  colliding_bunches: 2544}\n"
    )
    return path


@pytest.fixture
def context() -> Iterator[zmq.Context[Any]]:
    """Of the attackers; their sockets are closed at the end."""
    context: zmq.Context[Any] = zmq.Context()
    yield context
    for socket in _sockets:
        socket.close()
    _sockets.clear()
    context.term()


@dataclass
class Run:
    """A run in the background."""

    process: subprocess.Popen[str]
    printed: list[str] = field(default_factory=list)

    def until(self, pattern: str) -> str:
        """Wait for a line on standard error; its first group."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            for line in list(self.printed):
                if found := re.search(pattern, line):
                    return found[1]
            time.sleep(0.05)
        raise AssertionError(f"no {pattern} in {self.printed}")

    def end(self) -> Ended:
        assert self.process.stdout is not None
        out = self.process.stdout.read()
        return Ended(self.process.wait(PATIENCE_S), out, "".join(self.printed))


@pytest.fixture
def run(config: Path, keys: Path) -> Iterator[Run]:
    settings = ("transport=tcp", f"security.keys={keys}", f"security.address={HOST}", f"security.commands={COMMANDS}")
    command = [sys.executable, "-m", "stream.cli", "run", str(config), "--json"]
    command += [part for setting in settings for part in ("--set", setting)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    run = Run(process)
    reader = threading.Thread(target=lambda: run.printed.extend(process.stderr or ()))
    reader.start()
    yield run
    if process.poll() is None:
        process.terminate()
    process.communicate(timeout=PATIENCE_S)
    reader.join()


def listening() -> set[int]:
    """Ports that somebody listens on at HOST."""
    address = "".join(f"{int(part):02X}" for part in reversed(HOST.split(".")))
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(line[1].partition(":")[2], 16) for line in lines if line[1].startswith(address) and line[3] == "0A"}


def wait_for_ports(number: int) -> set[int]:
    deadline = time.monotonic() + PATIENCE_S
    while len(ports := listening()) < number:
        assert time.monotonic() < deadline, ports
        time.sleep(0.05)
    return ports


def refused(address: str) -> dict[tuple[str, str], float]:
    """Refusals so far, by service and reason."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found: dict[tuple[str, str], float] = {}
    for line in text.splitlines():
        if line.startswith("l1chain_messages_refused_total{"):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
            found[labels["service"], labels["reason"]] = float(line.split()[-1])
    return found


def connect(context: zmq.Context[Any], keys: Path, name: str | None, port: int, identity: str) -> Socket:
    socket: Socket = context.socket(zmq.DEALER)
    _sockets.append(socket)
    socket.linger = 0
    socket.sndhwm = 0
    socket.identity = identity.encode()
    if name is not None:
        pair = read_pair(keys, name)
        socket.curve_secretkey, socket.curve_publickey = pair.secret, pair.public
        socket.curve_serverkey = read_public(keys, "server")
    socket.connect(f"tcp://{HOST}:{port}")
    return socket


def throw(socket: Socket, message: list[bytes]) -> None:
    """Send without waiting: who was refused at the door has nowhere to send to."""
    with suppress(zmq.Again):
        socket.send_multipart(message, zmq.NOBLOCK)


def attack(context: zmq.Context[Any], keys: Path, ports: set[int]) -> None:
    """Everybody at every door at once."""
    stop = [Header(Kind.STOP, 1).pack()]
    limit = frame_limit(BATCH)
    garbage = [
        stop, [b""], [b"x" * 64], [b"L1CH"], [b"a"] * 200, [Header(Kind.STATUS, 1).pack(), b"{", b"\xff"],
        [Header(Kind.READY, 1).pack(), pack_json({"stage": "seeds", "columns": [], "credits": 2**40})],
    ]  # fmt: skip
    for port in ports:
        for name in (None, "stranger", "watcher", "operator"):
            socket = connect(context, keys, name, port, "seeds.0#1")
            for message in garbage:
                throw(socket, message)
        rogue = connect(context, keys, "rogue", port, "rogue")
        for number in range(FLOOD):
            throw(rogue, garbage[number % len(garbage)])
        for size in (limit + 1, 3 * limit):
            throw(rogue, [Header(Kind.EVENTS, 1).pack(), bytes(size)])


def command_lines() -> set[bytes]:
    """Of all processes; some may end while they are looked at."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.add(path.read_bytes())
    return found


def ctl(keys: Path, name: str, *command: str) -> Ended:
    return l1chain("ctl", "--connect", COMMANDS, "--keys", str(keys), "--as", name, *command)


def secrets_in(keys: Path) -> list[str]:
    texts = []
    for path in keys.glob("*.secret"):
        secret = bytes.fromhex(path.read_text())
        texts += [secret.hex(), repr(secret)[2:-1]]
    return texts


@pytest.mark.heavy
def test_a_run_under_attack_ends_as_one_that_is_left_alone(
    run: Run, config: Path, keys: Path, context: zmq.Context[Any]
) -> None:
    address = run.until(r"metrics: http://(\S+)/metrics")
    ports = wait_for_ports(4)  # supervisor, producer, combiner, commands
    paused = ctl(keys, "operator", "pause")  # it must not end before it is looked at
    attack(context, keys, ports)
    seen: dict[tuple[str, str], float] = {}
    arguments = set()
    wanted = {(service, "unauthenticated") for service in ("supervisor", "producer", "combiner")}
    wanted |= {(service, "no_right") for service, _ in wanted} | {(service, "header") for service, _ in wanted}
    watched, commanded = ctl(keys, "watcher", "status"), ctl(keys, "watcher", "pause")
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and not all(seen.get(key) for key in wanted):
        arguments |= command_lines()
        seen = refused(address)
        time.sleep(0.2)
    resumed = ctl(keys, "operator", "resume")
    missing = {key for key in wanted if not seen.get(key)}
    assert not missing, (seen, run.printed)
    assert (watched.code, commanded.code, paused.code, resumed.code) == (0, 2, 0, 0), (watched, commanded, paused)
    assert "no right to control" in commanded.err
    ended = run.end()
    assert ended.code == 0, ended.err
    alone = l1chain("run", str(config), "--json").result
    assert ended.result["produced"] == ended.result["decided"] == alone["decided"] == CROSSINGS
    assert ended.result["accepted"] == alone["accepted"] > 0

    written = [path.read_bytes() for path in Path(ended.result["run_dir"]).rglob("*") if path.is_file()]
    everything = [*written, *arguments, ended.out.encode(), ended.err.encode()]
    for secret in secrets_in(keys):
        assert not any(secret.encode() in content for content in everything)
