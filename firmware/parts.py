"""What parts have, and what others have published about networks on them (`docs/firmware.md`, "Report")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Device:
    """A device.

    Attributes:
        name: without package and speed grade.
        luts: look-up tables that it has.
        board: where it is used.
    """

    name: str
    luts: int
    board: str


DEVICES: Final = (
    Device("xc7vx690t", 433_200, "µGT board MP7"),
    Device("xcvu9p", 1_182_240, "Phase-2 boards"),
    Device("xcvu13p", 1_728_000, "Phase-2 boards"),
)


@dataclass(frozen=True)
class Published:
    """What was published about a network in hardware.

    Attributes:
        network: its name there.
        device: on which device.
        latency_ns: from inputs to score.
        luts_percent: share of the device's look-up tables.
        dsps: multipliers.
        brams: memories.
        note: what the numbers are of.
    """

    network: str
    device: str | None
    latency_ns: float | None
    luts_percent: float | None = None
    dsps: int | None = None
    brams: int | None = None
    note: str = ""

    @property
    def luts(self) -> float | None:
        """Look-up tables, if share and device are known."""
        counts = {device.name: device.luts for device in DEVICES}
        if self.luts_percent is None or self.device not in counts:
            return None
        return self.luts_percent / 100 * counts[self.device]


PUBLISHED: Final[Mapping[str, Published]] = {
    "axol1tl": Published("AXOL1TL", "xc7vx690t", 50.0, 2.1, 0, 0, "2 ticks of 25 ns"),
    "gelato": Published("GELATO", None, 25.0, note="1 tick of 25 ns"),
    "cicada": Published("CICADA", None, 100.0, note="about"),
    "adc2021": Published("ADC2021 autoencoders", "xcvu9p", 80.0, 3.0, note="from 80 ns; below 3 %"),
}
"""By the first word of a model's name."""


def published_for(model: str) -> Published | None:
    """What was published about the network of which a model has the name."""
    return PUBLISHED.get(model.lower().split("-")[0].split("_")[0])
