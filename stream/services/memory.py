"""The memory of a process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Gauge

_PAGES: Final = Path("/proc/self/statm")
_RESIDENT_FIELD: Final = 1


def resident_bytes() -> int:
    """The memory that this process has in RAM."""
    return int(_PAGES.read_text().split()[_RESIDENT_FIELD]) * os.sysconf("SC_PAGE_SIZE")


def export_memory(registry: CollectorRegistry) -> None:
    """Add the memory of this process to the metrics of the one service that tells of it."""
    gauge = Gauge("l1chain_resident_memory_bytes", "Memory of a process that is in RAM.", registry=registry)
    gauge.set_function(resident_bytes)
