"""Whether da4ml is installed, found without importing it: that takes seconds."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from firmware.rtl_errors import ExtraMissing

_PACKAGE: Final = "da4ml"


def check_da4ml() -> None:
    """Called before modules are imported that need it.

    Raises:
        ExtraMissing: it is not installed.
    """
    if find_spec(_PACKAGE) is None:
        raise ExtraMissing(_PACKAGE)
