"""How many bits a network needs: the same one trained in 2 to 16 bits and in float (`docs/adc2021.md`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from models.training.checkpoints import Checkpoints, silent
from models.training.data import Rows, TrainingData
from models.training.loop import Trainer
from models.training.rank_metrics import area_under_curve, true_positive_rate
from models.training.settings import TrainingSettings
from models.zoo.adc2021 import Adc2021, ScoreName
from triggers.errors import BadValue

ALL_BITS: Final = range(2, 17)
FALSE_POSITIVES: Final = 1e-5


@dataclass(frozen=True)
class ScanPoint:
    """What a number of bits gives for a score and a signal.

    Attributes:
        bits: of weights and activations; None: float.
        score: `mse`, `kl` or `r_z`.
        signal: its name.
        auc: area under the curve.
        tpr: part of the signal that is selected where a part of the background is, by that part.
        auc_ratio: to that of float.
        tpr_ratio: to that of float, by part of the background; NaN if float selects none.
    """

    bits: int | None
    score: ScoreName
    signal: str
    auc: float
    tpr: Mapping[float, float]
    auc_ratio: float = 1.0
    tpr_ratio: Mapping[float, float] | None = None

    def relative_to(self, reference: ScanPoint) -> ScanPoint:
        """The point with its ratios to that of float."""
        ratios = {part: _ratio(value, reference.tpr[part]) for part, value in self.tpr.items()}
        return replace(self, auc_ratio=_ratio(self.auc, reference.auc), tpr_ratio=ratios)

    def as_row(self) -> dict[str, Any]:
        """As a row of a table."""
        row: dict[str, Any] = {"bits": self.bits or "float", "score": self.score, "signal": self.signal}
        row |= {"auc": self.auc, "auc_ratio": self.auc_ratio}
        for part, value in self.tpr.items():
            row |= {f"tpr_at_{part:g}": value, f"tpr_ratio_at_{part:g}": (self.tpr_ratio or {}).get(part, math.nan)}
        return row


@dataclass(frozen=True)
class ScanSamples:
    """Crossings that a scan is judged on, inputs in hardware units.

    Attributes:
        background: at least 1 / `false_positives` rows, none of them trained on.
        signals: by name.
        false_positives: parts of the background that are selected.
    """

    background: Rows
    signals: Mapping[str, Rows]
    false_positives: tuple[float, ...] = (FALSE_POSITIVES,)


def _silent(_points: Sequence[ScanPoint]) -> None:
    """Tells nobody."""


def scan_bits(
    recipe: Adc2021,
    data: TrainingData,
    samples: ScanSamples,
    settings: TrainingSettings,
    bits: Iterable[int] = ALL_BITS,
    progress: Callable[[Sequence[ScanPoint]], None] = _silent,
) -> list[ScanPoint]:
    """Train a network of the challenge in float and in each number of bits, and compare; float comes first.

    Each is trained once and judged by all scores that it has.

    Args:
        recipe: one of the `adc2021_*`; its own `bits` and `score` are not used.
        data: to train on, from `models.training.train.prepared`.
        samples: to judge on.
        settings: of each training.
        bits: to try.
        progress: called after each training with its points.

    Raises:
        BadValue: the background is too small, or a signal is empty.
        TrainingDataUnfit, TrainingDiverged: as `models.training.train.train`.
    """
    _check(samples)
    points: list[ScanPoint] = []
    reference: dict[tuple[str, str], ScanPoint] = {}
    for n in (None, *bits):
        chosen = recipe if n is None else recipe.model_copy(update={"bits": n})
        trained = chosen.trained(data, Trainer(settings, Checkpoints(None, ""), silent), exact=n is not None)
        found = [point for name in chosen.score_names() for point in _points(n, name, trained.scores(name), samples)]
        reference = reference or {(point.score, point.signal): point for point in found}
        found = [point.relative_to(reference[point.score, point.signal]) for point in found]
        points += found
        progress(found)
    return points


def _points(
    bits: int | None, name: ScoreName, scores: Callable[[Rows], Any], samples: ScanSamples
) -> Iterable[ScanPoint]:
    background = scores(samples.background)
    for signal, rows in samples.signals.items():
        found = scores(rows)
        tpr = {part: true_positive_rate(background, found, part) for part in samples.false_positives}
        yield ScanPoint(bits, name, signal, area_under_curve(background, found), tpr)


def _check(samples: ScanSamples) -> None:
    """Refuse before anything is trained what would fail after it."""
    needed = math.ceil(1.0 / min(samples.false_positives))
    if len(samples.background) < needed:
        what = f"has {len(samples.background)} crossings, {needed} are needed for {min(samples.false_positives):g}"
        raise BadValue("background", what, "give more crossings, or a larger part")
    for name, rows in samples.signals.items():
        if not len(rows):
            raise BadValue(f"signal {name}", "has no crossing that passes the preselection", "give more crossings")


def _ratio(found: float, reference: float) -> float:
    return found / reference if reference else math.nan
