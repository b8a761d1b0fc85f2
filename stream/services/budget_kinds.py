"""What controllers of budgets move, hold and do, by name (`docs/budgets.md`)."""

from __future__ import annotations

from enum import StrEnum


class MovedBy(StrEnum):
    """What a controller moves."""

    CAP = "cap"
    """nothing: the budget's own cap holds the rate"""
    COLUMN = "column"
    """the prescale column"""
    WORKING_POINT = "working_point"
    """the threshold, from one calibrated working point to another"""
    THRESHOLD = "threshold"
    """the threshold, in steps of a 1024th of the range between two working points"""


class RateKind(StrEnum):
    """Which rate of a group is held."""

    TOTAL = "total"
    PURE = "pure"


class ControlState(StrEnum):
    """What a controller does in a lumi section."""

    ACTING = "acting"
    HELD = "held"
    """an operator took over"""
    MASKED = "masked"
    """an operator masked the group, or for a threshold a part of it: its rate says nothing"""
    OFF = "off"
    """the group is switched off, as its rate was too high"""


class ActionKind(StrEnum):
    """What a controller did."""

    TIGHTEN = "tighten"
    LOOSEN = "loosen"
    OFF = "off"
