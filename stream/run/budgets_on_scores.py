"""Which budgets of a run are of algorithms on scores, so that pages draw them beside these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stream.run.budget_config import EVERYTHING
from triggers.decision.budgets import member_indices
from triggers.errors import L1ChainError
from triggers.menu.load import load_menu


def budgets_on_scores(record: Mapping[str, Any]) -> list[str]:
    """The budgets of algorithms on scores alone; of a menu that is not there any more, those that name algorithms.

    Args:
        record: the run record.
    """
    sections = [section for section in record["config"]["budgets"] if EVERYTHING not in section["algorithms"]]
    try:
        menu = load_menu(record["menu"]["path"])
        on_scores = set(member_indices("menu", record["menu"]["on_scores"], menu))
        return [
            section["name"]
            for section in sections
            if on_scores.issuperset(member_indices("menu", section["algorithms"], menu))
        ]
    except L1ChainError:
        return [section["name"] for section in sections]
