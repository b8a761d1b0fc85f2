"""A broker of our own, on loopback, for a start; operations want a real one (`docs/mqtt.md`, "Brokers")."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from stream.mqtt.errors import MqttError, MqttMissing


@asynccontextmanager
async def embedded_broker(port: int) -> AsyncIterator[None]:
    """Serve MQTT on 127.0.0.1, without passwords, as long as the context lasts.

    Raises:
        MqttMissing: amqtt is not installed.
        MqttError: the port is taken.
    """
    try:
        from amqtt.broker import Broker
        from amqtt.errors import AMQTTError
    except ModuleNotFoundError:
        raise MqttMissing("amqtt") from None
    configuration: dict[str, Any] = {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    broker = Broker(configuration)
    try:
        await broker.start()
    except (AMQTTError, OSError) as error:
        raise MqttError(f"127.0.0.1:{port}", f"cannot serve there ({error})", "name a free port") from error
    try:
        yield
    finally:
        await broker.shutdown()
