"""Changes that all services concerned agree on before a lumi section begins (`docs/protocol.md`, section "Changes")."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from stream.run.assembly import PRODUCER
from stream.services.changes import Change
from stream.services.delivery import Peer
from stream.wire.messages import Kind
from triggers.errors import BadValue, L1ChainError

_REPEAT_S: Final = 1.0

Tell = Callable[[str, Kind, dict[str, Any]], None]
"""Sends a message to the present incarnation of a service."""


class _Phase(Enum):
    PREPARE = auto()
    PROPOSE = auto()
    CHANGE = auto()
    OVER = auto()


@dataclass
class _Agreement:
    change: Change
    targets: tuple[str, ...]
    at: int | None
    settle: Callable[[Change | L1ChainError], None]
    hold: bool
    lead_s: float
    phase: _Phase = _Phase.PREPARE
    answered: set[Peer] = field(default_factory=set)
    told: float = 0.0


class Agreements:
    """Brings changes into effect: prepare → the producer names the lumi section and waits → change → it goes on.

    Args:
        tell: sends a message to a service.
        present: the present incarnation of a service.
        keep: stores an agreed change, so that a resumed run has it; raises OSError.
        changes: those agreed on before, by a run that is resumed.

    Attributes:
        changes: agreed on, in this order.
    """

    def __init__(
        self,
        tell: Tell,
        present: Callable[[str], Peer],
        keep: Callable[[Change], None],
        changes: Iterable[Change] = (),
    ) -> None:
        self._tell, self._present, self._keep = tell, present, keep
        self.changes = list(changes)
        self._open: dict[str, _Agreement] = {}
        self._held: dict[str, int] = {}

    def begin(
        self,
        change: Change,
        targets: Iterable[str],
        at: int | None,
        settle: Callable[[Change | L1ChainError], None],
        hold: bool = False,
        lead_s: float = 0.0,
    ) -> None:
        """Begin to agree on a change; of a request that comes again, e.g. after the run was resumed, it is known.

        Args:
            change: what is to change.
            targets: the services that follow it; all of them must be able to.
            at: the lumi section; None: the next that has not begun.
            settle: called once, with the change and its lumi section, or with what is wrong.
            hold: leave the lumi section closed, until `release`.
            lead_s: without `at`, take one that begins so much later, as fast as the run goes, so that nobody waits.
        """
        if (known := next((agreed for agreed in self.changes if agreed.id == change.id), None)) is not None:
            settle(known)
            return
        agreement = _Agreement(change, tuple(targets), at, settle, hold, lead_s)
        agreement.phase = _Phase.PREPARE if agreement.targets else _Phase.PROPOSE
        self._open[change.id] = agreement
        self.step()

    def join(self, name: str) -> None:
        """A service that comes has a part in what other replicas of its stage are agreeing on."""
        stage = name.rpartition(".")[0]
        for agreement in self._open.values():
            if name not in agreement.targets and any(t.rpartition(".")[0] == stage for t in agreement.targets):
                agreement.targets = (*agreement.targets, name)

    def leave(self, name: str) -> None:
        """A service that left has nothing to agree on any more."""
        for agreement in self._open.values():
            agreement.targets = tuple(target for target in agreement.targets if target != name)

    def step(self) -> None:
        """Tell again what was not answered, and whom it concerns now."""
        now = time.monotonic()
        for agreement in list(self._open.values()):
            self._advance(agreement)
            if agreement.phase is not _Phase.OVER and now - agreement.told > _REPEAT_S:
                agreement.told = now
                self._ask(agreement)

    def hear(self, peer: Peer, kind: Kind, payload: dict[str, Any]) -> None:
        """Take an answer: PREPARED, AGREED or CHANGED."""
        agreement = self._open.get(str(payload.get("id")))
        if agreement is None:
            return
        error = payload.get("error")
        match kind, agreement.phase:
            case Kind.PREPARED, _Phase.PREPARE if isinstance(error, dict):
                self._give_up(agreement, L1ChainError(*(str(error[key]) for key in ("where", "what", "remedy"))))
            case Kind.PREPARED, _Phase.PREPARE:
                agreement.answered.add(peer)
            case Kind.AGREED, _Phase.PROPOSE if error:
                self._give_up(agreement, BadValue("lumi section", str(error), "name a later one, or `next`"))
            case Kind.AGREED, _Phase.PROPOSE:
                self._agree(agreement, int(payload["lumi_section"]))
            case Kind.CHANGED, _Phase.CHANGE:
                agreement.answered.add(peer)
            case _:
                return
        self.step()

    @property
    def gates(self) -> dict[str, int]:
        """The lumi sections that the producer may not begin yet, by change."""
        waiting = {a.change.id: a.change.lumi_section for a in self._open.values() if a.phase is _Phase.CHANGE}
        return waiting | self._held

    def release(self, change: str, stop: bool = False) -> None:
        """Let the producer go on behind a gate that was held; with `stop` the run ends there."""
        self._held.pop(change, None)
        self._tell(PRODUCER, Kind.RELEASE, {"id": change, "stop": stop})

    @property
    def held(self) -> dict[str, int]:
        """The gates that are held until somebody releases them."""
        return dict(self._held)

    def _ask(self, agreement: _Agreement) -> None:
        match agreement.phase:
            case _Phase.PREPARE | _Phase.CHANGE:
                kind = Kind.PREPARE if agreement.phase is _Phase.PREPARE else Kind.CHANGE
                for name in agreement.targets:
                    if self._present(name) not in agreement.answered:
                        self._tell(name, kind, agreement.change.as_json())
            case _Phase.PROPOSE:
                self._tell(PRODUCER, Kind.PROPOSE, _proposal(agreement))
            case _Phase.OVER:
                pass

    def _advance(self, agreement: _Agreement) -> None:
        if any(self._present(name) not in agreement.answered for name in agreement.targets):
            return
        if agreement.phase is _Phase.PREPARE:
            agreement.phase, agreement.told = _Phase.PROPOSE, 0.0
        elif agreement.phase is _Phase.CHANGE:
            agreement.phase = _Phase.OVER
            del self._open[agreement.change.id]
            if not agreement.hold:
                self._tell(PRODUCER, Kind.RELEASE, {"id": agreement.change.id})
            agreement.settle(agreement.change)

    def _agree(self, agreement: _Agreement, lumi_section: int) -> None:
        agreement.change = agreement.change.at(lumi_section)
        if agreement.targets:
            try:
                self._keep(agreement.change)
            except OSError as error:
                self._tell(PRODUCER, Kind.RELEASE, {"id": agreement.change.id})
                what = f"the change cannot be stored ({error.strerror})"
                self._give_up(agreement, BadValue("run folder", what, "free some space"))
                return
            self.changes.append(agreement.change)
        if agreement.hold:
            self._held[agreement.change.id] = lumi_section
        agreement.phase, agreement.answered, agreement.told = _Phase.CHANGE, set(), 0.0

    def _give_up(self, agreement: _Agreement, error: L1ChainError) -> None:
        agreement.phase = _Phase.OVER
        del self._open[agreement.change.id]
        agreement.settle(error)


def _proposal(agreement: _Agreement) -> dict[str, Any]:
    return {"id": agreement.change.id, "at": agreement.at, "lead_ms": round(agreement.lead_s * 1000)}
