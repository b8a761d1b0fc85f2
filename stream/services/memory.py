"""The memory of a process."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Gauge

_STATUS: Final = Path("/proc/self/status")
_ALL: Final = "VmRSS"
_SHARED: Final = "RssShmem"
_KIBIBYTE: Final = 1024


def resident_bytes() -> int:
    """The memory that this process has in RAM, without the producer's shelf, which all processes of a host share."""
    lines = (line.partition(":") for line in _STATUS.read_text().splitlines())
    kibibytes = {name: int(value.split()[0]) for name, _, value in lines if name in (_ALL, _SHARED)}
    return (kibibytes[_ALL] - kibibytes.get(_SHARED, 0)) * _KIBIBYTE


def export_memory(registry: CollectorRegistry) -> None:
    """Add the memory of this process to the metrics of the one service that tells of it."""
    gauge = Gauge(
        "l1chain_resident_memory_bytes", "Memory of a process that is in RAM, without the shelf.", registry=registry
    )
    gauge.set_function(resident_bytes)
