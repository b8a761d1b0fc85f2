"""Whether da4ml is installed, found without importing it: that takes seconds."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from firmware.rtl_errors import ExtraMissing

_PACKAGE: Final = "da4ml"

SOLVER_BITS: Final = 24
"""da4ml's solver takes matrices as float32."""
MOST_BITS: Final = 52
"""Of a number: da4ml keeps ranges in float64, and looks one unit beyond them."""


def check_da4ml() -> None:
    """Called before modules are imported that need it.

    Raises:
        ExtraMissing: it is not installed.
    """
    if find_spec(_PACKAGE) is None:
        raise ExtraMissing(_PACKAGE)
