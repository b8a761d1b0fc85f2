"""What the decision is made by after changes (docs/run-control.md)."""

from __future__ import annotations

import numpy as np
import pytest

from stream.services.changes import Change
from stream.services.decision_changes import DecisionTimeline
from triggers.decision.settings import DecisionSettings
from triggers.errors import L1ChainError
from triggers.menu.load import load_menu

MENU = load_menu("shipped:menus/demo.yaml")
SCORES = ("L1_AXO_Loose", "L1_AXO_Tight")


def timeline(on_scores: tuple[str, ...]) -> DecisionTimeline:
    return DecisionTimeline(DecisionSettings(np.full(512, 100, np.int64), 2544), MENU, None, on_scores)


def test_emergency_off_masks_all_algorithms_on_scores_from_its_lumi_section_on() -> None:
    changes = timeline(SCORES)
    off = Change("1", "emergency-off", {}, 3)
    changes.check(off)
    changes.add([off])
    assert changes.masked_names(changes.settings_in(2)) == []
    assert set(changes.masked_names(changes.settings_in(3))) == set(SCORES)
    changes.add([Change("2", "unmask", {"algorithm": SCORES[0]}, 5)])
    assert SCORES[0] not in changes.masked_names(changes.settings_in(5))


def test_without_such_algorithms_it_is_refused() -> None:
    with pytest.raises(L1ChainError, match="no algorithm of the menu looks at a score"):
        timeline(()).check(Change("1", "emergency-off", {}, 3))


def test_settings_without_changes_are_those_of_the_configuration() -> None:
    np.testing.assert_array_equal(timeline(SCORES).settings_in(7).masked, np.zeros(8, np.uint64))
