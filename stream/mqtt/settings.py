"""Where the broker is and who may command (`docs/mqtt.md`)."""

from __future__ import annotations

import platform
import ssl
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from stream.mqtt.errors import SecretUnusable
from triggers.errors import FileUnreadable
from triggers.strict_yaml import StrictModel, parse_yaml, validated

DEFAULT_PREFIX: Final = "l1chain"
_OTHERS: Final = 0o077
_LEAST_SECRET: Final = 16

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class MqttSettings(StrictModel):
    """A connection to a broker.

    Attributes:
        host, port: of the broker.
        chain: name of this chain; its topics are below `prefix/chain`.
        prefix: first level of all topics.
        username, password_file: for brokers that ask for them; the file holds the password alone.
        ca_file: certificate authority of the broker; given: TLS.
        certificate_file, key_file: of this client, for brokers that ask for them.
        operators_file: who may command, from `read_operators`; not given: nobody may.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 1883
    chain: Name = platform.node().partition(".")[0] or "chain"
    prefix: Name = DEFAULT_PREFIX
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    operators_file: Path | None = None

    def password(self) -> str | None:
        """The password.

        Raises:
            SecretUnusable: its file cannot be read, or others can read it.
        """
        return None if self.password_file is None else _secret(self.password_file).strip()

    def tls(self) -> ssl.SSLContext | None:
        """TLS as wanted, None for none.

        Raises:
            FileUnreadable: a certificate or key cannot be read.
        """
        if self.ca_file is None:
            return None
        try:
            context = ssl.create_default_context(cafile=str(self.ca_file))
            if self.certificate_file is not None:
                context.load_cert_chain(str(self.certificate_file), str(self.key_file) if self.key_file else None)
        except (OSError, ssl.SSLError) as error:
            where = self.certificate_file or self.ca_file
            raise FileUnreadable(where, f"is no usable certificate or key ({error})", "name PEM files") from error
        return context


class Operators(StrictModel):
    """Who may command: shared secrets by name."""

    operators: dict[Name, Annotated[str, Field(min_length=_LEAST_SECRET)]]


def read_operators(path: Path | None) -> dict[str, bytes]:
    """The secrets of those who may command, by name; none if no file is given.

    Raises:
        SecretUnusable: the file cannot be read, or others can read it.
        UnknownName, BadValue: it is not `operators: {NAME: SECRET}`, or a secret is short.
    """
    if path is None:
        return {}
    content = parse_yaml(_secret(path).encode(), str(path))
    return {name: secret.encode() for name, secret in validated(content, str(path), Operators).operators.items()}


def _secret(path: Path) -> str:
    try:
        if path.stat().st_mode & _OTHERS:
            raise SecretUnusable(path, "others can read it", f"chmod 600 {path}")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SecretUnusable(path, f"cannot be read ({error.strerror})", "check the path") from error
