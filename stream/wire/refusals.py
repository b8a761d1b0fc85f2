"""Counts what is refused, and logs it now and then (`docs/security.md`, section "Refused messages")."""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

from prometheus_client import CollectorRegistry, Counter

from stream.errors import ProtocolError, Refusal

LOG_PERIOD_S: Final = 10.0
_LONGEST_LOGGED: Final = 300


class Refusals:
    """The refusals of one service, counted by reason; any thread may add to them.

    Args:
        registry: where the metrics of the service are.
        log: gets the first refusal of each reason at once, then one line per `log_period_s` with their number.
        log_period_s: of the log.
    """

    def __init__(self, registry: CollectorRegistry, log: logging.Logger, log_period_s: float = LOG_PERIOD_S) -> None:
        self._log, self._log_period_s = log, log_period_s
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(Refusal, 0)
        self._unlogged = dict.fromkeys(Refusal, 0)
        self._next_log_s = dict.fromkeys(Refusal, 0.0)
        refused = Counter("l1chain_messages_refused", "Messages and peers refused.", ["reason"], registry=registry)
        self._metrics = {reason: refused.labels(reason) for reason in Refusal}
        self.disconnects = Counter(
            "l1chain_peer_disconnects", "Connections of peers that ended, or were cut.", registry=registry
        )

    @classmethod
    def unwatched(cls) -> Refusals:
        """Refusals of a socket whose service exports no metrics; they are logged."""
        return cls(CollectorRegistry(), logging.getLogger("l1chain.stream.refusals"))

    def refuse(self, error: ProtocolError) -> None:
        """Count a message that was refused."""
        self.count(error.reason, str(error))

    def count(self, reason: Refusal, what: str) -> None:
        """Count a refusal; `what` says it in a sentence without secrets."""
        with self._lock:
            self._counts[reason] += 1
            self._unlogged[reason] += 1
            now = time.monotonic()
            if now < self._next_log_s[reason]:
                number = 0
            else:
                self._next_log_s[reason] = now + self._log_period_s
                number, self._unlogged[reason] = self._unlogged[reason], 0
        self._metrics[reason].inc()
        if number:
            # What a peer sent may stand in the sentence: control characters must not reach a terminal.
            shown = what[:_LONGEST_LOGGED].encode("unicode_escape").decode()
            self._log.warning("refused %d (%s), the last: %s", number, reason, shown)

    @property
    def counts(self) -> dict[Refusal, int]:
        """Refusals so far, by reason; reasons without any are left out."""
        with self._lock:
            return {reason: n for reason, n in self._counts.items() if n}

    @property
    def total(self) -> int:
        """All refusals so far."""
        return sum(self.counts.values())
