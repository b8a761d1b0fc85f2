"""What a version takes of a part, and how long it takes: the report (`docs/firmware.md`, "Report")."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from firmware.bit_operations import effective_bit_operations
from firmware.build_requests import BuildRequest
from firmware.builds import builds_folder
from firmware.convolutions import ConvolutionEstimate, convolution_estimates
from firmware.designs import rtl_design, rtl_pipeline
from firmware.parts import DEVICES, Published, published_for
from firmware.rtl import ADDER_NS, Language, write_rtl
from firmware.rtl_errors import SynthesisMissing, SynthesisTooLong
from firmware.synthesis import Family
from firmware.synthesis_cache import Synthesis, synthesised
from models.repository import LoadedVersion


@dataclass(frozen=True)
class Resources:
    """What a version takes as a design of da4ml.

    Attributes:
        version: NAME/VERSION.
        request: part, clock, ports.
        family: of the part, as yosys calls it.
        ticks: clock periods from inputs to score.
        adders_in_a_tick: the longest path between two registers, as da4ml counts it.
        da4ml_cost: its estimate of look-up tables.
        bit_operations: effective ones, of the network.
        synthesis: yosys's cells; None if it did not run.
        why_not: the sentence that says why.
        convolutions: layers that can be estimated from one window.
        published: about a network of this name.
        logic_s: wall-clock time to make the logic and cut it into stages.
    """

    version: str
    request: BuildRequest
    family: Family
    ticks: int
    adders_in_a_tick: float
    da4ml_cost: float
    bit_operations: int
    synthesis: Synthesis | None
    why_not: str
    convolutions: tuple[ConvolutionEstimate, ...]
    published: Published | None
    logic_s: float

    @property
    def latency_ns(self) -> float:
        """From inputs to score, at the clock."""
        return self.ticks * self.request.clock_ns

    @property
    def luts(self) -> float:
        """Look-up tables: yosys's after packing, or else da4ml's estimate."""
        return self.da4ml_cost if self.synthesis is None else self.synthesis.cells.packed_luts

    @property
    def shares_percent(self) -> Mapping[str, float]:
        """`luts` as a share of what each device has."""
        return {device.name: 100 * self.luts / device.luts for device in DEVICES}

    @property
    def off_by(self) -> Mapping[str, float]:
        """Each estimate of the look-up tables over the published figure; empty where there is none."""
        figure = None if self.published is None else self.published.luts
        if figure is None:
            return {}
        estimates = {"da4ml": self.da4ml_cost}
        if self.synthesis is not None:
            cells = self.synthesis.cells
            estimates |= {"yosys": float(cells.luts), "yosys, packed": float(cells.packed_luts)}
        return {name: luts / figure for name, luts in estimates.items()}


def resources(
    loaded: LoadedVersion, request: BuildRequest, synthesis: bool = True, limit_s: float | None = None
) -> Resources:
    """The report of a version; synthesis takes minutes for deployed sizes, if its result is not remembered.

    Args:
        loaded: the version.
        request: part, clock, ports.
        synthesis: whether yosys shall run.
        limit_s: how long it may.

    Raises:
        ExtraMissing: da4ml is not installed.
        NotLogic: the network cannot be expressed.
        CompileFailed: yosys refuses; the message has all that it said.
        ModelError: the version has no network, a damaged one, or inputs that packed words do not hold.
    """
    start = time.monotonic()
    pipeline = rtl_pipeline(loaded, request)
    logic_s = time.monotonic() - start
    found, why_not = None, "" if synthesis else "not asked for"
    if synthesis:
        design = rtl_design(loaded, request, Language.VERILOG)
        with tempfile.TemporaryDirectory(prefix="l1chain-report-") as name:
            write_rtl(pipeline, Path(name), design)
            try:
                found = synthesised(Path(name), design, builds_folder(loaded), limit_s)
            except (SynthesisMissing, SynthesisTooLong) as error:
                why_not = str(error)
    return Resources(
        version=loaded.label,
        request=request,
        family=Family.of(request.part),
        ticks=len(pipeline.solutions),
        adders_in_a_tick=request.clock_ns / ADDER_NS,
        da4ml_cost=float(pipeline.cost),
        bit_operations=effective_bit_operations(loaded.network),
        synthesis=found,
        why_not=why_not,
        convolutions=convolution_estimates(loaded.network),
        published=published_for(loaded.manifest.name),
        logic_s=logic_s,
    )
