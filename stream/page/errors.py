"""Errors of the live page.

L1ChainError
├── PageMissing       Bokeh, which draws the page, is not installed
└── CommandRefused    a command from the page that may not be given, or is none
"""

from __future__ import annotations

from triggers.errors import L1ChainError


class PageMissing(L1ChainError):
    """Bokeh, which draws the page, is not installed."""

    def __init__(self) -> None:
        super().__init__("live page", "the package bokeh is not installed", "install it with `pip install bokeh`")


class CommandRefused(L1ChainError):
    """A command from the page that may not be given, or is none."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__("command from the page", what, remedy)
