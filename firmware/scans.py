"""Accuracy against resources and time: a network in other widths, pruned (`docs/firmware.md`, "Scan")."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from numpy.typing import NDArray

from firmware.build_requests import rtl_request
from firmware.designs import rtl_pipeline
from firmware.hls_strategies import Strategy
from firmware.ports import Ports
from firmware.requantise import Variant, observed_ranges, requantised
from firmware.selection import Selection, selection
from models.backends.registry import open_backend
from models.bit_operations import effective_bit_operations
from models.errors import BackendLimit, InputsInvalid
from models.network import NETWORK_FILE, Network
from models.network_layers import Conv2D, Dense, Dot, Multiply
from models.repository import LoadedVersion
from triggers.errors import BadValue

RANGE_CROSSINGS: Final = 4096
"""Crossings of the background from which ranges are taken."""
_NO_BETTER: Final = {"efficiency": 0.0, "auc": 0.5}
"""What a score has that is the same for all crossings."""
_SCORER: Final = "onnxruntime"
_SIMPLER: Final = "fixed"


@dataclass(frozen=True)
class Sample:
    """The crossings of a scan.

    Attributes:
        background: inputs `(n, n_inputs)` of zero bias.
        signals: inputs by name.
        colliding_bunches: of the beam that the background stands for.
        rate_hz: that the background may have.
    """

    background: NDArray[Any]
    signals: Mapping[str, NDArray[Any]]
    colliding_bunches: int
    rate_hz: float


@dataclass(frozen=True)
class Hardware:
    """How matrix products become hardware.

    Attributes:
        strategy: distributed arithmetic is made by da4ml; the others are estimated from bit operations.
        reuse: how many products share a multiplier.
    """

    strategy: Strategy = Strategy.DISTRIBUTED_ARITHMETIC
    reuse: int = 1


@dataclass(frozen=True, eq=False)
class Point:
    """One design of a scan.

    Attributes:
        variant: of the network.
        hardware: of its products.
        luts: look-up tables: da4ml's cost, or effective bit operations over the reuse factor.
        ticks: clock periods from inputs to score.
        latency_ns: at the clock.
        bit_operations: effective ones.
        selection: what the score selects.
    """

    variant: Variant
    hardware: Hardware
    luts: float
    ticks: int
    latency_ns: float
    bit_operations: int
    selection: Selection


def designs(strategies: Sequence[Strategy], reuses: Sequence[int]) -> tuple[Hardware, ...]:
    """The combinations that exist: only `resource` shares multipliers.

    Raises:
        BadValue: a factor is below 1.
    """
    if min(reuses, default=1) < 1:
        raise BadValue("reuse", f"a factor of {min(reuses)}", "use 1 or more")
    pairs = itertools.product(strategies, reuses)
    found = (Hardware(strategy, reuse if strategy is Strategy.RESOURCE else 1) for strategy, reuse in pairs)
    return tuple(dict.fromkeys(found))


def scan(
    loaded: LoadedVersion,
    sample: Sample,
    variants: Sequence[Variant],
    hardware: Sequence[Hardware],
    part: str,
    clock_ns: float,
) -> Iterator[Point]:
    """Each variant of a version's network with each design of its products.

    Args:
        loaded: the version.
        sample: crossings to score.
        variants: of the network.
        hardware: from `designs`.
        part: full name of the part.
        clock_ns: period of the clock.

    Raises:
        ExtraMissing: da4ml is not installed.
        NotLogic: the network cannot be expressed.
        ModelError: the version has no network, or a damaged one.
        BadValue: there are no crossings.
    """
    for variant in variants:
        version = variant_of(loaded, sample, variant)
        selected = _selected(version, sample)
        pipeline = rtl_pipeline(version, rtl_request(part, clock_ns, input_ports(loaded)))
        cost, ticks = float(pipeline.cost), len(pipeline.solutions)
        operations = effective_bit_operations(version.network)
        layers = _product_layers(version.network)
        for one in hardware:
            made_by_da4ml = one.strategy is Strategy.DISTRIBUTED_ARITHMETIC
            luts = cost if made_by_da4ml else operations / one.reuse
            needed = ticks + (one.reuse - 1) * layers
            yield Point(variant, one, luts, needed, needed * clock_ns, operations, selected)


def pareto(points: Sequence[Point], metric: str) -> tuple[Point, ...]:
    """The points that no other one surpasses: as few look-up tables, as quick, selecting as well, and one of it better.

    Of points that are equal in all three, the first. Points that select no better than chance are left out, unless
    all do.

    Args:
        points: of a scan.
        metric: `efficiency` or `auc`.

    Returns:
        By latency, then by look-up tables.
    """
    useful = [point for point in points if quality(point, metric) > _NO_BETTER[metric]] or points
    costs = {(point.latency_ns, point.luts, -quality(point, metric)): point for point in reversed(useful)}
    return tuple(costs[cost] for cost in sorted(costs) if not any(_surpasses(other, cost) for other in costs))


def _surpasses(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(mine <= theirs for mine, theirs in zip(one, other, strict=True))


def quality(point: Point, metric: str) -> float:
    """The mean of a metric, `efficiency` or `auc`, over the signals."""
    return point.selection.mean_auc if metric == "auc" else point.selection.mean_efficiency


def variant_of(loaded: LoadedVersion, sample: Sample, variant: Variant) -> LoadedVersion:
    """The version with its network changed, in memory; ranges are those of the background.

    Raises:
        ModelError: the version has no network, or a damaged one.
    """
    ranges = observed_ranges(loaded.network, sample.background[:RANGE_CROSSINGS])
    return _with_network(loaded, requantised(loaded.network, ranges, variant))


def input_ports(loaded: LoadedVersion) -> Ports:
    """Packed ones, where packed words hold the inputs."""
    try:
        return Ports.PACKED if loaded.layout.fields else Ports.DECLARED
    except InputsInvalid:
        return Ports.DECLARED


def _with_network(loaded: LoadedVersion, network: Network) -> LoadedVersion:
    """A version in memory that has another network."""
    content = network.to_json()
    digest = hashlib.sha256(content).hexdigest()
    changes = {"files": {NETWORK_FILE: digest}, "working_points": {}, "compared": {}}
    manifest = loaded.manifest.model_copy(update=changes)
    return LoadedVersion(manifest, loaded.folder, digest, {NETWORK_FILE: content})


def _selected(version: LoadedVersion, sample: Sample) -> Selection:
    try:
        backend = open_backend(_SCORER, version)
    except BackendLimit:
        backend = open_backend(_SIMPLER, version)
    background = backend.score_inputs(sample.background)
    signals = {name: backend.score_inputs(inputs) for name, inputs in sample.signals.items()}
    return selection(background, signals, sample.rate_hz, sample.colliding_bunches)


def _product_layers(network: Network) -> int:
    """Layers that wait for one another, each for all of its products."""
    return sum(isinstance(layer, Dense | Conv2D | Dot | Multiply) for layer in network.layers)


def signal_names(paths: Sequence[str]) -> tuple[str, ...]:
    """A name for each signal: its file's, or the whole path where two have one name."""
    stems = [path.replace("\\", "/").rsplit("/", 1)[-1].split(".")[0] for path in paths]
    return tuple(stem if stems.count(stem) == 1 else path for stem, path in zip(stems, paths, strict=True))
