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


def device_of(part: str) -> str:
    """The name of a part's device; what is before package and speed grade, for devices that are not known."""
    return next((device.name for device in DEVICES if part.startswith(device.name)), part.split("-")[0])


@dataclass(frozen=True)
class Published:
    """What was published about a network in hardware.

    Attributes:
        network: its name there.
        device: on which device.
        latency_ns: from inputs to score.
        latency_bound: how that is meant: `from`, `about`; empty: exactly.
        luts_percent: share of the device's look-up tables.
        luts_bound: how that is meant.
        dsps: multipliers.
        brams: memories.
    """

    network: str
    device: str | None
    latency_ns: float
    latency_bound: str = ""
    luts_percent: float | None = None
    luts_bound: str = ""
    dsps: int | None = None
    brams: int | None = None

    @property
    def luts(self) -> float | None:
        """Look-up tables, if share and device are known."""
        counts = {device.name: device.luts for device in DEVICES}
        if self.luts_percent is None or self.device not in counts:
            return None
        return self.luts_percent / 100 * counts[self.device]


PUBLISHED: Final[Mapping[str, Published]] = {
    "axol1tl": Published("AXOL1TL", "xc7vx690t", 50.0, luts_percent=2.1, dsps=0, brams=0),
    "gelato": Published("GELATO", None, 25.0),
    "cicada": Published("CICADA", None, 100.0, "about"),
    "adc2021": Published("ADC2021 autoencoders", "xcvu9p", 80.0, "from", luts_percent=3.0, luts_bound="<"),
}
"""By the first word of a model's name."""
_SOFTWARE: Final = "hlt"
"""A word in the names of networks of the high-level trigger, which are no hardware."""


def published_for(model: str) -> Published | None:
    """What was published about the network of which a model has the name."""
    words = model.lower().replace("-", "_").split("_")
    return None if _SOFTWARE in words else PUBLISHED.get(words[0])
