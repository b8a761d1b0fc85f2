"""The other side of commands over MQTT: signs an order and waits for its answer."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from typing import Any

import aiomqtt

from stream.mqtt.errors import MqttError
from stream.mqtt.payloads import AT_LEAST_ONCE, Topic, signature_of
from stream.mqtt.settings import MqttSettings
from triggers.errors import L1ChainError


async def send_order(
    settings: MqttSettings, who: str, secret: bytes, command: str, arguments: dict[str, Any], patience_s: float
) -> Any:
    """The result of a command.

    Args:
        settings: of the broker, and the chain's name.
        who: the operator.
        secret: the operator's.
        command: its name.
        arguments: of the command.
        patience_s: how long to wait.

    Raises:
        MqttError: no broker, or no answer in time.
        L1ChainError: the chain refused it.
    """
    order: dict[str, Any] = {
        "id": secrets.token_hex(8),
        "who": who,
        "time_s": time.time(),
        "command": command,
        "arguments": arguments,
    }
    order["signature"] = signature_of(order, secret)
    where = f"{settings.host}:{settings.port}"
    try:
        async with (
            asyncio.timeout(patience_s),
            aiomqtt.Client(
                settings.host,
                settings.port,
                username=settings.username,
                password=settings.password(),
                tls_context=settings.tls(),
            ) as client,
        ):
            place = f"{Topic.REPLY.of(settings)}/{order['id']}"
            await client.subscribe(place, qos=AT_LEAST_ONCE)
            await client.publish(Topic.COMMAND.of(settings), json.dumps(order).encode(), qos=AT_LEAST_ONCE)
            answer = json.loads(await _payload(client, place))
    except (aiomqtt.MqttError, OSError) as error:
        raise MqttError(where, f"no broker answers ({error})", "check host, port, password and certificates") from error
    except TimeoutError:
        remedy = "see whether `l1chain mqtt serve` runs for this chain"
        raise MqttError(where, f"no answer within {patience_s:g} s", remedy) from None
    if not answer["ok"]:
        told = answer["error"]
        raise L1ChainError(told["where"], told["what"], told["remedy"])
    return answer["result"]


async def _payload(client: aiomqtt.Client, topic: str) -> bytes:
    """The first message of the topic; some brokers send others too."""
    async for message in client.messages:
        if isinstance(message.payload, bytes) and message.topic.value == topic:
            return message.payload
    return b""
