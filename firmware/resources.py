"""What a version takes of a part, and how long it takes: the report (`docs/firmware.md`, "Report")."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from da4ml.types import CombLogic, Pipeline

from firmware.build_requests import BuildRequest
from firmware.builds import builds_folder
from firmware.convolutions import ConvolutionEstimate, convolution_estimates
from firmware.designs import rtl_design
from firmware.limited_logic import version_logic
from firmware.parts import DEVICES, Published, published_for
from firmware.rtl import Language, RtlDesign, pipelined, write_rtl
from firmware.rtl_errors import SynthesisMissing, SynthesisTooLong
from firmware.synthesis import Family
from firmware.synthesis_cache import Synthesis, synthesised
from models.bit_operations import effective_bit_operations
from models.repository import LoadedVersion


@dataclass(frozen=True)
class Resources:
    """What a version takes as a design of da4ml.

    Attributes:
        version: NAME/VERSION.
        request: part, clock, ports.
        family: of the part, as yosys calls it.
        ticks: clock periods from inputs to score.
        da4ml_cost: its estimate of look-up tables.
        bit_operations: effective ones, of the network.
        synthesis: yosys's cells; None if it did not run.
        why_not: the sentence that says why, if it was asked to.
        convolutions: layers that can be estimated from one window.
        published: about a network of this name.
        logic_s: wall-clock time to make the logic and cut it into stages.
    """

    version: str
    request: BuildRequest
    family: Family
    ticks: int
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
        """Latency and each estimate of the look-up tables over the published figures; empty where there are none.

        Figures that are bounds, or about so much, tell nothing.
        """
        known = self.published
        if known is None or known.luts is None or known.latency_bound or known.luts_bound:
            return {}
        estimates = {"ns": self.latency_ns / known.latency_ns, "da4ml": self.da4ml_cost / known.luts}
        if self.synthesis is not None:
            cells = self.synthesis.cells
            estimates |= {"yosys": cells.luts / known.luts, "yosys, packed": cells.packed_luts / known.luts}
        return estimates

    @property
    def estimated_luts(self) -> float | None:
        """Of the whole, if it was not synthesised and has convolutions: these by ρ, the rest as da4ml counts."""
        if self.synthesis is not None or not self.convolutions:
            return None
        rest = max(self.da4ml_cost - sum(one.cost for one in self.convolutions), 0.0)
        return rest + sum(one.luts for one in self.convolutions)


def resources(
    loaded: LoadedVersion, request: BuildRequest, synthesis: bool = True, limit_s: float | None = None
) -> Resources:
    """The report of a version; synthesis takes minutes for deployed sizes, if its result is not remembered.

    Args:
        loaded: the version.
        request: part, clock, ports.
        synthesis: whether yosys shall run.
        limit_s: how long making the logic may take, and each synthesis.

    Raises:
        NotLogic: the network cannot be expressed.
        LogicTooLong: making the logic takes longer.
        BadValue: the part is of no family that yosys counts.
        CompileFailed: yosys refuses; the message has all that it said.
        ModelError: the version has no network, a damaged one, or inputs that packed words do not hold.
    """
    family = Family.of(request.part)
    start = time.monotonic()
    logic = version_logic(loaded, request, limit_s)
    logic_s = time.monotonic() - start
    pipeline = logic.pipeline
    count = _Counter(loaded, request, limit_s)
    convolutions = convolution_estimates(loaded.network, logic.windows, count.luts if synthesis else None)
    found, why_not = None, ""
    if synthesis:
        try:
            found, why_not = count.cells(pipeline), ""
        except (SynthesisMissing, SynthesisTooLong) as error:
            why_not = str(error)
    return Resources(
        version=loaded.label,
        request=request,
        family=family,
        ticks=len(pipeline.solutions),
        da4ml_cost=float(pipeline.cost),
        bit_operations=effective_bit_operations(loaded.network),
        synthesis=found,
        why_not=why_not,
        convolutions=convolutions,
        published=published_for(loaded.manifest.name),
        logic_s=logic_s,
    )


@dataclass(frozen=True)
class _Counter:
    """Counts cells of a version's logic, or of a part of it."""

    loaded: LoadedVersion
    request: BuildRequest
    limit_s: float | None

    def luts(self, logic: CombLogic) -> int | None:
        """After packing; None if yosys is missing or takes too long."""
        try:
            return self.cells(pipelined(logic, self._design)).cells.packed_luts
        except (SynthesisMissing, SynthesisTooLong):
            return None

    def cells(self, pipeline: Pipeline) -> Synthesis:
        """Raises what `firmware.synthesis_cache.synthesised` does."""
        with tempfile.TemporaryDirectory(prefix="l1chain-report-") as name:
            write_rtl(pipeline, Path(name), self._design)
            return synthesised(Path(name), self._design, builds_folder(self.loaded), self.limit_s)

    @property
    def _design(self) -> RtlDesign:
        return rtl_design(self.loaded, self.request, Language.VERILOG)
