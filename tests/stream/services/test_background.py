"""Preparing beside the work: once each, told with its outcome, in short turns (docs/run-control.md, "Models")."""

from __future__ import annotations

import sys
import threading

import pytest

from stream.services.background import Background, ShortTurns
from stream.services.changes import Change
from triggers.errors import BadValue, L1ChainError

PATIENCE_S = 100


def outcomes(background: Background, number: int) -> dict[str, L1ChainError | None]:
    """Wait for so many outcomes."""
    found: dict[str, L1ChainError | None] = {}
    waited = threading.Event()
    for _ in range(PATIENCE_S * 100):
        found |= {change.id: error for change, error in background.done()}
        if len(found) == number:
            return found
        waited.wait(0.01)
    raise TimeoutError


def test_a_change_is_prepared_once_and_its_outcome_told() -> None:
    background, begun, go_on = Background(), [], threading.Event()

    def prepare(change: Change) -> None:
        begun.append(change.id)
        assert go_on.wait(PATIENCE_S)
        if change.kind == "bad":
            raise BadValue("it", "is bad", "mend it")
        if change.kind == "broken":
            raise RuntimeError("unforeseen")

    for change in (Change("1", "good", {}), Change("1", "good", {}), Change("2", "bad", {}), Change("3", "broken", {})):
        background.begin(change, prepare)
    go_on.set()
    found = outcomes(background, 3)
    assert sorted(begun) == ["1", "2", "3"]
    assert found["1"] is None
    assert str(found["2"]).startswith("it: is bad")
    assert "RuntimeError: unforeseen" in str(found["3"])


def test_turns_are_short_while_anybody_prepares() -> None:
    usual, turns = sys.getswitchinterval(), ShortTurns()
    with turns:
        with turns, pytest.raises(BadValue), turns:
            raise BadValue("it", "is bad", "mend it")
        assert sys.getswitchinterval() < usual / 10
    assert sys.getswitchinterval() == usual
