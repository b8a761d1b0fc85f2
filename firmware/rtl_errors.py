"""What can be missing to make and check hardware.

L1ChainError
└── ModelError (models.errors)
    └── FirmwareError (firmware.errors)
        ├── NotLogic          a network that cannot be expressed as adders, shifts and multiplexers
        ├── LogicTooLong      a network whose logic takes longer to make than allowed
        ├── ExtraMissing      da4ml is not installed
        ├── SimulatorMissing  no program that runs RTL
        ├── SynthesisMissing  no program that maps RTL to a part's cells
        ├── SynthesisTooLong  a design whose synthesis takes longer than allowed
        └── BuildUnwritable   a folder in which no build can be written
"""

from __future__ import annotations

from pathlib import Path

from firmware.errors import FirmwareError


class NotLogic(FirmwareError):
    """A network that cannot be expressed as adders, shifts and multiplexers."""

    def __init__(self, network: str, why: str) -> None:
        super().__init__(f"network '{network}'", why, "use the hls4ml backend, or another score")


class LogicTooLong(FirmwareError):
    """A network whose logic takes longer to make than allowed."""

    def __init__(self, version: str, seconds: float) -> None:
        super().__init__(version, f"da4ml did not make its logic in {seconds:g} s", "raise --limit-s")


class ExtraMissing(FirmwareError):
    """da4ml is not installed."""

    def __init__(self, package: str) -> None:
        super().__init__(package, "the package is not installed", "install the extra: pip install 'l1chain[firmware]'")


class SimulatorMissing(FirmwareError):
    """No program that runs RTL."""

    def __init__(self, program: str, install: str) -> None:
        super().__init__("RTL simulation", f"no program '{program}' was found", install)


class SynthesisMissing(FirmwareError):
    """No program that maps RTL to a part's cells."""

    def __init__(self, program: str, install: str) -> None:
        super().__init__("synthesis", f"no program '{program}' was found", install)


class SynthesisTooLong(FirmwareError):
    """A design whose synthesis takes longer than allowed."""

    def __init__(self, design: str | Path, seconds: float) -> None:
        super().__init__(design, f"yosys did not end in {seconds:g} s", "raise --limit-s, or use da4ml's own cost")


class BuildUnwritable(FirmwareError):
    """A folder in which no build can be written."""

    def __init__(self, folder: str | Path, why: str) -> None:
        super().__init__(folder, f"no build can be written there ({why})", "name another folder with --out")
