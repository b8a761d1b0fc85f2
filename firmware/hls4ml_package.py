"""The C++ headers and scripts that the package hls4ml ships, found without importing it: that takes seconds."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

from firmware.errors import HeadersMissing

_PACKAGE: Final = "hls4ml"
AP_TYPES: Final = "vivado/ap_types"


def templates() -> Path:
    """The folder of hls4ml's templates.

    Raises:
        HeadersMissing: hls4ml is not installed, or another one than this was written for.
    """
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise HeadersMissing
    folder = Path(next(iter(found.submodule_search_locations))) / "templates"
    if not (folder / AP_TYPES / "ap_fixed.h").is_file():
        raise HeadersMissing(folder / AP_TYPES)
    return folder


def own_headers() -> Path:
    """The folder of l1chain's own C++ headers."""
    return Path(__file__).with_name("cpp")
