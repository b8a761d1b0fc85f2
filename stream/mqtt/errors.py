"""Errors of MQTT.

L1ChainError
└── MqttError             anything about MQTT
    ├── SecretUnusable    a file of a secret that cannot be used
    ├── MqttMissing       the extra [monitor] is not installed
    └── CommandRefused    a command that did not come from an operator, or is none
"""

from __future__ import annotations

from pathlib import Path

from triggers.errors import L1ChainError


class MqttError(L1ChainError):
    """Anything about MQTT."""


class SecretUnusable(MqttError):
    """A file of a secret that cannot be used."""

    def __init__(self, path: Path, what: str, remedy: str) -> None:
        super().__init__(path, what, remedy)


class MqttMissing(MqttError):
    """The extra [monitor] is not installed."""

    def __init__(self, package: str) -> None:
        super().__init__("MQTT", f"the package {package} is not installed", "pip install 'l1chain[monitor]'")


class CommandRefused(MqttError):
    """A command that did not come from an operator, or is none."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__("MQTT command", what, remedy)
