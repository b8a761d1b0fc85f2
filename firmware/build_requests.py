"""What a build is asked to be: tool, part, clock, strategy, ports (`docs/firmware.md`, "Build")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from firmware.hls_build import DEFAULT_SETTINGS, BuildSettings, Flavour
from firmware.hls_strategies import Strategy
from firmware.ports import Ports
from triggers.errors import BadValue

ADDER_NS: Final = 1.0
"""Delay of an adder with its wires, assumed as long as no vendor tool has placed the design."""


class Tool(StrEnum):
    """What makes a project."""

    HLS4ML = "hls4ml"
    DA4ML = "da4ml"


@dataclass(frozen=True)
class BuildRequest:
    """What is asked for.

    Attributes:
        tool: hls4ml writes C++ for the vendor's synthesis, da4ml writes Verilog and VHDL.
        part: full name of the part.
        clock_ns: period of the clock.
        strategy: how matrix products become hardware; da4ml's are always distributed arithmetic.
        reuse: how many products share a multiplier; da4ml's do not.
        ports: how wide the inputs are; hls4ml's are as declared.
    """

    tool: Tool
    part: str = DEFAULT_SETTINGS.part
    clock_ns: float = DEFAULT_SETTINGS.clock_period_ns
    strategy: Strategy = Strategy.LATENCY
    reuse: int = 1
    ports: Ports = Ports.DECLARED

    def __post_init__(self) -> None:
        """Check the settings, and that they go together.

        Raises:
            BadValue: they do not.
        """
        self.settings(Flavour.VIVADO)
        if self.tool is Tool.DA4ML and self.strategy is not Strategy.DISTRIBUTED_ARITHMETIC:
            raise BadValue("strategy", f"da4ml cannot make '{self.strategy}'", f"use {Strategy.DISTRIBUTED_ARITHMETIC}")
        if self.tool is Tool.DA4ML and self.clock_ns < ADDER_NS:
            raise BadValue("clock", f"{self.clock_ns:g} ns is shorter than an adder takes", f"use {ADDER_NS:g} or more")
        if self.reuse > 1 and self.strategy is Strategy.DISTRIBUTED_ARITHMETIC:
            raise BadValue("reuse", f"{self.strategy} has no multipliers to share", "use a factor of 1")
        if self.tool is Tool.HLS4ML and self.ports is not Ports.DECLARED:
            raise BadValue("ports", f"hls4ml's are not {self.ports}", f"use {Ports.DECLARED}, or the backend da4ml")

    def settings(self, flavour: Flavour) -> BuildSettings:
        """As hls4ml's project takes them.

        Raises:
            BadValue: no part has such a name, or no clock such a period.
        """
        return BuildSettings(flavour, self.part, self.clock_ns, self.strategy, self.reuse)

    @property
    def label(self) -> str:
        """Name of the build's folder."""
        words: list[str] = [self.tool, self.part, f"{self.clock_ns:g}ns"]
        if self.tool is Tool.HLS4ML:
            words.append(self.strategy)
        if self.reuse > 1:
            words.append(f"reuse{self.reuse}")
        if self.ports is not Ports.DECLARED:
            words.append(self.ports)
        return "-".join(words)

    @property
    def stated(self) -> Mapping[str, object]:
        """The settings, for a record."""
        return {
            "tool": self.tool,
            "part": self.part,
            "clock_ns": self.clock_ns,
            "strategy": self.strategy,
            "reuse": self.reuse,
            "ports": self.ports,
        }


def rtl_request(
    part: str = DEFAULT_SETTINGS.part,
    clock_ns: float = DEFAULT_SETTINGS.clock_period_ns,
    ports: Ports = Ports.DECLARED,
) -> BuildRequest:
    """The request of a design by da4ml."""
    return BuildRequest(Tool.DA4ML, part, clock_ns, Strategy.DISTRIBUTED_ARITHMETIC, ports=ports)
