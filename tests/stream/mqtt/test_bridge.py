"""A chain over MQTT with a real broker: telemetry, commands, restarts, deaths (docs/mqtt.md)."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiomqtt", reason="the extra [monitor] is not installed")

import paho.mqtt.client as paho

from stream.mqtt.bridge import ended
from tests.ports import free_port
from tests.stream.mqtt.brokers import MOSQUITTO, certificates, mosquitto
from tests.stream.run.running import running, settings, write_config

needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed (apt-get install mosquitto)")
PATIENCE_S = 150.0


class Listener:
    """Collects what a chain says."""

    def __init__(self, port: int, prepare: Callable[[paho.Client], None] = lambda _: None) -> None:
        self.said: dict[str, list[dict[str, Any]]] = {}
        self._heard = threading.Condition()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        prepare(self.client)
        self.client.on_connect = lambda client, *_: client.subscribe("l1chain/test/#", 1)
        self.client.on_message = self._hear
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _hear(self, _: paho.Client, __: object, message: paho.MQTTMessage) -> None:
        with self._heard:
            self.said.setdefault(message.topic.removeprefix("l1chain/test/"), []).append(json.loads(message.payload))
            self._heard.notify_all()

    def wait_for(self, topic: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_S
        with self._heard:
            while time.monotonic() < deadline:
                for told in self.said.get(topic, []):
                    if condition(told):
                        return told
                self._heard.wait(1)
        raise AssertionError(f"{topic}: {self.said.get(topic)}")

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def serving(folder: Path, port: int, *options: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "stream.cli", "mqtt", "serve", "--broker", f"127.0.0.1:{port}", "--chain", "test"]
    command += ["--runs", str(folder / "runs"), "--operators", str(operators(folder)), *options]
    with (folder / "bridge.log").open("a") as log:
        process = subprocess.Popen(command, stderr=log, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def operators(folder: Path) -> Path:
    path = folder / "operators.yaml"
    if not path.exists():
        path.write_text("operators: {anna: a secret of enough length}")
        path.chmod(0o600)
    return path


def send(folder: Path, port: int, *arguments: str) -> Any:
    command = [sys.executable, "-m", "stream.cli", "mqtt", "send", *arguments, "--as", "anna", "--json"]
    command += ["--operators", str(operators(folder)), "--broker", f"127.0.0.1:{port}", "--chain", "test"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S * 2, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])["result"]


@needs_mosquitto
def test_a_run_is_told_of_and_commanded_whatever_dies(tmp_path: Path) -> None:
    port = free_port()
    config = write_config(tmp_path)
    with running(str(config), *settings("run.lumi_sections=1000000", "run.pace=0.01"), out=tmp_path / "runs") as run:
        with mosquitto(tmp_path, port, "allow_anonymous true") as broker, serving(tmp_path, port) as bridge:
            listener = Listener(port)
            listener.wait_for("state", lambda told: told["state"] == "running")
            row = listener.wait_for("lumi_section", lambda told: told["row"]["lumi_section"] >= 1)["row"]
            assert row["decided"] == 20_000
            health = listener.wait_for("health", lambda told: told["status"]["state"] == "running")
            assert health["run"] == run.folder.name
            changed = send(tmp_path, port, "prescale", '{"column": "emergency"}')
            assert changed["lumi_section"] > row["lumi_section"]
            broker.kill()
            broker.wait(10)
            decided = run.wait_for(lambda _: True)["decided"]
            run.wait_for(lambda status: status["decided"] > decided)
            with mosquitto(tmp_path, port, "allow_anonymous true"):
                now = send(tmp_path, port, "status")["lumi_section"]  # it answers, so it is connected again
                listener.wait_for("lumi_section", lambda told: told["row"]["lumi_section"] >= now)
                os.kill(bridge.pid, signal.SIGKILL)
                listener.wait_for("state", lambda told: told["state"] == "offline")
                with serving(tmp_path, port):
                    send(tmp_path, port, "stop")
                    listener.wait_for("state", lambda told: told["state"] == "idle")
            listener.close()
        result = run.end()
    assert result["produced"] == result["decided"] + sum(result["dead"].values())
    audit = [json.loads(line) for line in (Path(result["run_dir"]) / "audit.jsonl").read_text().splitlines()]
    assert [(line["command"], line["who"], line["ok"]) for line in audit] == [
        ("prescale", "mqtt:anna", True),
        ("stop", "mqtt:anna", True),
    ]


@needs_mosquitto
def test_passwords_and_tls(tmp_path: Path) -> None:
    port = free_port()
    authority, certificate, key = certificates(tmp_path)
    passwords, password = tmp_path / "passwords", tmp_path / "password"
    password.write_text("of the chain\n")
    password.chmod(0o600)
    write = [str(shutil.which("mosquitto_passwd")), "-b", "-c", str(passwords), "chain", "of the chain"]
    subprocess.run(write, check=True)
    lines = (f"cafile {authority}", f"certfile {certificate}", f"keyfile {key}", f"password_file {passwords}")
    options = ("--ca", str(authority), "--username", "chain", "--password-file", str(password))

    def prepare(client: paho.Client) -> None:
        client.tls_set(str(authority))
        client.username_pw_set("chain", "of the chain")

    with mosquitto(tmp_path, port, *lines, "allow_anonymous false"), serving(tmp_path, port, *options) as bridge:
        listener = Listener(port, prepare)
        listener.wait_for("state", lambda told: told["state"] == "idle")
        bridge.terminate()
        listener.wait_for("state", lambda told: told["state"] == "offline")
        assert bridge.wait(PATIENCE_S) == 0
        assert listener.said["state"][-1]["time"]  # said by itself, not by its last will
        listener.close()
    assert "of the chain" not in (tmp_path / "bridge.log").read_text()


def test_a_broker_of_our_own_and_a_run_started_by_it(tmp_path: Path) -> None:
    port = free_port()
    configurations = tmp_path / "configurations"
    configurations.mkdir()
    text = write_config(tmp_path).read_text()
    (configurations / "short.yaml").write_text(text.replace("run: {", "run: {lumi_sections: 1000000, "))
    options = ("--embedded-broker", "--configurations", str(configurations))
    with serving(tmp_path, port, *options):
        _wait_for_port(tmp_path)
        listener = Listener(port)
        started = send(tmp_path, port, "start", '{"configuration": "short"}')
        assert started["configuration"] == "short.yaml"
        listener.wait_for("state", lambda told: told["state"] == "running")
        send(tmp_path, port, "stop")
        listener.wait_for("state", lambda told: told["state"] == "idle" and told["time"] != "")
        listener.close()
    line = json.loads((tmp_path / "runs" / "audit.jsonl").read_text().splitlines()[0])
    assert (line["command"], line["who"], line["ok"]) == ("start", "anna", True)


def _wait_for_port(folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and "connected" not in (folder / "bridge.log").read_text():
        time.sleep(0.1)


def test_a_missing_broker_is_one_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stream.cli", "mqtt", "send", "status", "--as", "anna", "--patience", "3"]
    command += ["--operators", str(operators(tmp_path)), "--broker", f"127.0.0.1:{free_port()}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: 127.0.0.1:")
    assert done.stderr.count("\n") == 1


def test_a_task_that_loses_a_cancellation_is_cancelled_again() -> None:
    async def check() -> int:
        lost = 0

        async def stubborn() -> None:
            nonlocal lost
            while True:
                try:
                    await asyncio.sleep(100)
                except asyncio.CancelledError:
                    lost += 1
                    if lost == 3:
                        raise

        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        await ended(task, again_after_s=0.01)
        assert task.cancelled()
        return lost

    assert asyncio.run(check()) == 3
