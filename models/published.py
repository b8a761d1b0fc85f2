"""The pre-registered comparison with published efficiencies: protocol and test (`docs/evaluation.md`, "Published")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from models.evaluation_curves import ScoreCurve
from models.evaluation_networks import InputSample
from triggers.shipped import find_file
from triggers.strict_yaml import StrictModel, read_yaml

DEFAULT_PROTOCOL: Final = "shipped:training/published.yaml"
_TAIL: Final = 5.0
"""The part of the background that replicas are drawn of: up to so many times the rate."""
Floats = NDArray[np.float64]


class Protocol(StrictModel):
    """What is fixed before anything is looked at.

    Attributes:
        source: of the published numbers.
        rate_hz: total rate at which efficiencies are compared.
        systems: in the order of the claim, least efficient first.
        seeds: of trainings, the same for every system.
        training_crossings: zero-bias crossings for each training.
        significance: standard deviations from which on a difference counts.
        aim: signals that should reproduce the order.
        least_effective_crossings: of the background above each threshold.
        replicas: of the background's tail, for the error that its size makes.
        replica_seed: of their random numbers.
        signals: published efficiencies in percent, in the order of the systems, by process.
    """

    source: str
    rate_hz: Annotated[float, Field(gt=0)]
    systems: Annotated[tuple[str, ...], Field(strict=False, min_length=2)]
    seeds: Annotated[tuple[int, ...], Field(strict=False, min_length=1)]
    training_crossings: Annotated[int, Field(ge=1)]
    significance: Annotated[float, Field(gt=0)]
    aim: Annotated[int, Field(ge=0)]
    least_effective_crossings: Annotated[float, Field(ge=0)]
    replicas: Annotated[int, Field(ge=2)]
    replica_seed: int
    signals: dict[str, Annotated[tuple[float, ...], Field(strict=False)]]

    @model_validator(mode="after")
    def _one_number_for_each_system(self) -> Protocol:
        for name, numbers in self.signals.items():
            if len(numbers) != len(self.systems):
                raise ValueError(f"signal '{name}' has {len(numbers)} numbers for {len(self.systems)} systems")
        return self


def load_protocol(path: str | Path) -> Protocol:
    """Read a protocol.

    Raises:
        FileMissing, FileUnreadable, UnknownName, BadValue: as `triggers.strict_yaml.read_yaml`.
    """
    return read_yaml(find_file(path, role="protocol").read_bytes(), str(path), Protocol)


@dataclass(frozen=True, eq=False)
class ScoredNetwork:
    """A trained network on all samples.

    Attributes:
        system: name in the zoo.
        seed: of its training.
        background: scores of the background, `(n,)`.
        signals: scores by signal.
    """

    system: str
    seed: int
    background: NDArray[np.int64]
    signals: Mapping[str, NDArray[np.int64]]


class Verdict(StrEnum):
    """What a signal says of the order."""

    REPRODUCED = "reproduced"
    """No step is inverted significantly, and the last system exceeds the first one significantly."""
    INVERTED = "inverted"
    """A step is inverted significantly."""
    UNDECIDED = "undecided"
    """Neither."""


@dataclass(frozen=True)
class SystemEfficiency:
    """A system on a signal.

    Attributes:
        system: name in the zoo.
        mean: over the seeds.
        spread: standard deviation over the seeds; 0 with one seed.
        published: by its team; a fraction.
    """

    system: str
    mean: float
    spread: float
    published: float


@dataclass(frozen=True)
class Step:
    """Two systems on a signal, crossing by crossing.

    Attributes:
        better: expected to be at least as efficient.
        worse: as what.
        difference: of the mean efficiencies.
        paired_error: from the number of signal crossings, those that both keep or lose cancelling.
        seed_error: from the spread over seeds of the differences.
        background_error: from the thresholds, which share a background.
    """

    better: str
    worse: str
    difference: float
    paired_error: float
    seed_error: float
    background_error: float

    @property
    def error(self) -> float:
        """All errors together."""
        return float(np.sqrt(self.paired_error**2 + self.seed_error**2 + self.background_error**2))

    @property
    def significance(self) -> float:
        """The difference in standard deviations."""
        return self.difference / self.error if self.error > 0 else 0.0


@dataclass(frozen=True)
class SignalComparison:
    """One signal.

    Attributes:
        signal: its process.
        crossings: of its sample.
        systems: in the order of the protocol.
        steps: neighbours in that order, then the last one against the first.
        verdict: on the order.
    """

    signal: str
    crossings: int
    systems: tuple[SystemEfficiency, ...]
    steps: tuple[Step, ...]
    verdict: Verdict


@dataclass(frozen=True)
class Threshold:
    """A network's threshold.

    Attributes:
        system, seed: which.
        threshold: the least one whose rate is not above the protocol's.
        rate_hz: reached.
        effective: background crossings above it.
    """

    system: str
    seed: int
    threshold: int
    rate_hz: float
    effective: float


def compare_signals(
    protocol: Protocol,
    networks: Sequence[ScoredNetwork],
    background: InputSample,
    signals: Mapping[str, InputSample],
    collisions_hz: float,
) -> tuple[tuple[Threshold, ...], tuple[SignalComparison, ...]]:
    """The protocol's test on scored networks.

    Args:
        protocol: what was fixed before.
        networks: every system with every seed.
        background: whose weights belong to the scores.
        signals: likewise, by process.
        collisions_hz: of colliding bunches.
    """
    fraction = protocol.rate_hz / collisions_hz
    curves = [ScoreCurve.of(network.background, background.weights) for network in networks]
    thresholds = [int(curve.threshold(fraction)) for curve in curves]
    stated = []
    for network, curve, threshold in zip(networks, curves, thresholds, strict=True):
        part = curve.at(threshold)
        rate_hz = part.fraction * collisions_hz
        stated.append(Threshold(network.system, network.seed, threshold, rate_hz, part.effective))
    replicas = _replica_thresholds(protocol, networks, curves, background.weights, fraction)
    found = tuple(_compared(protocol, networks, thresholds, replicas, name, sample) for name, sample in signals.items())
    return tuple(stated), found


def _replica_thresholds(
    protocol: Protocol,
    networks: Sequence[ScoredNetwork],
    curves: Sequence[ScoreCurve],
    weights: Floats,
    fraction: float,
) -> NDArray[np.int64]:
    """Thresholds on Poisson replicas of the background, `(n_networks, n_replicas)`; networks share the replicas."""
    tails = [
        network.background >= curve.threshold(_TAIL * fraction) for network, curve in zip(networks, curves, strict=True)
    ]
    rows = np.flatnonzero(np.logical_or.reduce(tails))
    random = np.random.default_rng(protocol.replica_seed)
    counts = random.poisson(1.0, (protocol.replicas, len(rows)))
    allowed = fraction * float(weights.sum())
    result = np.empty((len(networks), protocol.replicas), np.int64)
    for k, network in enumerate(networks):
        scores = network.background[rows]
        order = np.argsort(-scores, kind="stable")
        above = (counts * weights[rows])[:, order].cumsum(axis=1)
        ordered = scores[order]
        # the first crossing that is too much: the threshold is just above its score
        first = np.minimum((above <= allowed).sum(axis=1), len(ordered) - 1)
        result[k] = ordered[first] + 1
    return result


def _compared(
    protocol: Protocol,
    networks: Sequence[ScoredNetwork],
    thresholds: Sequence[int],
    replicas: NDArray[np.int64],
    signal: str,
    sample: InputSample,
) -> SignalComparison:
    kept: dict[str, Any] = {system: [] for system in protocol.systems}
    varied: dict[str, Any] = {system: [] for system in protocol.systems}
    for network, threshold, several in zip(networks, thresholds, replicas, strict=True):
        scores = network.signals[signal]
        curve = ScoreCurve.of(scores, sample.weights)
        kept[network.system].append(scores >= threshold)
        varied[network.system].append([curve.at(int(value)).fraction for value in several])
    keeps = {system: np.array(values, np.float64) for system, values in kept.items()}
    replica_means = {system: np.array(values).mean(axis=0) for system, values in varied.items()}
    total = sample.weights.sum()
    by_seed = {system: values @ sample.weights / total for system, values in keeps.items()}
    systems = tuple(
        SystemEfficiency(system, float(by_seed[system].mean()), _spread(by_seed[system]), published / 100)
        for system, published in zip(protocol.systems, protocol.signals[signal], strict=True)
    )
    pairs = [*pairwise(protocol.systems), (protocol.systems[0], protocol.systems[-1])]
    steps = []
    for worse, better in dict.fromkeys(pairs):
        apart = keeps[better].mean(axis=0) - keeps[worse].mean(axis=0)
        difference = float((apart * sample.weights).sum() / total)
        paired = float(np.sqrt((sample.weights**2 * (apart - difference) ** 2).sum()) / total)
        seeds = by_seed[better] - by_seed[worse]
        seed_error = _spread(seeds) / np.sqrt(len(seeds))
        background = float((replica_means[better] - replica_means[worse]).std(ddof=1))
        steps.append(Step(better, worse, difference, paired, float(seed_error), background))
    return SignalComparison(signal, len(sample.weights), systems, tuple(steps), _verdict(protocol, steps))


def _verdict(protocol: Protocol, steps: Sequence[Step]) -> Verdict:
    """The last step is that of the last system against the first."""
    if any(step.significance < -protocol.significance for step in steps):
        return Verdict.INVERTED
    return Verdict.REPRODUCED if steps[-1].significance > protocol.significance else Verdict.UNDECIDED


def _spread(values: Floats) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0
