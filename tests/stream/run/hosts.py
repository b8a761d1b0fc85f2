"""Several hosts on one: network namespaces on a bridge of their own, each with an address (iproute2, root)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

PREFIX: Final = "10.77.0"


def lacking() -> str | None:
    """Why there can be no namespaces here."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "the command `ip` is not here: apt-get install iproute2"
    try:
        ip("netns", "add", f"l1try{os.getpid()}")
    except subprocess.CalledProcessError as error:
        return f"no network namespaces here: {error.stderr.decode().strip()}"
    ip("netns", "del", f"l1try{os.getpid()}")
    return None


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)  # noqa: S607 — where it is differs


class Hosts:
    """Hosts 1 to n with addresses 10.77.0.1 to 10.77.0.n."""

    def __init__(self, n: int) -> None:
        self._tag = f"l1{os.getpid() % 100_000}"
        self._switch = f"{self._tag}sw"
        self._namespaces: list[str] = []
        self._add(self._switch)
        self._in(self._switch, "link", "add", "bridge0", "type", "bridge")
        self._in(self._switch, "link", "set", "bridge0", "up")
        for k in range(1, n + 1):
            self._add(self._name(k))
            ip("link", "add", f"p{k}", "netns", self._switch, "type", "veth", "peer", "eth0", "netns", self._name(k))
            self._in(self._switch, "link", "set", f"p{k}", "master", "bridge0", "up")
            self._in(self._name(k), "address", "add", f"{self.address(k)}/24", "dev", "eth0")
            self._in(self._name(k), "link", "set", "eth0", "up")
            self._in(self._name(k), "link", "set", "lo", "up")

    @staticmethod
    def address(k: int) -> str:
        return f"{PREFIX}.{k}"

    def command(self, k: int, *command: str) -> list[str]:
        """A command as host k runs it."""
        return ["ip", "netns", "exec", self._name(k), *command]

    def unplug(self, k: int) -> None:
        """Take the cable of host k away."""
        self._in(self._name(k), "link", "delete", "eth0")

    def remove(self) -> None:
        for namespace in self._namespaces:
            ip("netns", "del", namespace)

    def _name(self, k: int) -> str:
        return f"{self._tag}h{k}"

    def _add(self, namespace: str) -> None:
        ip("netns", "add", namespace)
        self._namespaces.append(namespace)

    @staticmethod
    def _in(namespace: str, *arguments: str) -> None:
        ip("-n", namespace, *arguments)


@contextmanager
def hosts(n: int) -> Iterator[Hosts]:
    """That many hosts, gone at the end."""
    made = Hosts(n)
    try:
        yield made
    finally:
        made.remove()
