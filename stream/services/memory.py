"""The memory of a process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_PAGES: Final = Path("/proc/self/statm")
_RESIDENT_FIELD: Final = 1


def resident_bytes() -> int:
    """The memory that this process has in RAM."""
    return int(_PAGES.read_text().split()[_RESIDENT_FIELD]) * os.sysconf("SC_PAGE_SIZE")
