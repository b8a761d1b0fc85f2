"""Services that are not there, and a time that passes as a test wants, for `stream.run.members`."""

from __future__ import annotations

from dataclasses import dataclass

from stream.services.delivery import Peer


@dataclass
class Launched:
    """A launcher of nothing.

    Attributes:
        end: how its services have ended; None: they live.
    """

    end: str | None = None

    def start(self, peer: Peer) -> None:
        """Nothing."""

    def pid(self, name: str) -> int | None:
        """One for each name."""
        return len(name)

    def how_dead(self, name: str) -> str | None:
        """The same for all."""
        return self.end

    def kill(self, name: str) -> None:
        """Nothing."""

    def join(self) -> None:
        """Nothing."""


class Clock:
    """Stands for the module `time`."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now
