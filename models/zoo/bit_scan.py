"""How many bits a network needs: the same one trained in 2 to 16 bits and in float (`docs/training.md`, "adc2021")."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from models.training.checkpoints import Checkpoints, silent
from models.training.data import Rows, TrainingData
from models.training.loop import Trainer
from models.training.rank_metrics import area_under_curve, true_positive_rate
from models.training.settings import TrainingSettings
from models.zoo.adc2021 import Adc2021

ALL_BITS: Final = range(2, 17)
FALSE_POSITIVES: Final = 1e-5


@dataclass(frozen=True)
class ScanPoint:
    """What a number of bits gives, by signal.

    Attributes:
        bits: of weights and activations; None: float.
        auc: area under the curve.
        tpr: part of the signal that is selected where 10⁻⁵ of the background is.
        auc_ratio: to that of float.
        tpr_ratio: to that of float; NaN if float selects none.
    """

    bits: int | None
    auc: Mapping[str, float]
    tpr: Mapping[str, float]
    auc_ratio: Mapping[str, float]
    tpr_ratio: Mapping[str, float]


@dataclass(frozen=True)
class ScanSamples:
    """Crossings that a scan is judged on, inputs in hardware units.

    Attributes:
        background: at least 1 / `false_positives` rows, none of them trained on.
        signals: by name.
        false_positives: part of the background that is selected.
    """

    background: Rows
    signals: Mapping[str, Rows]
    false_positives: float = FALSE_POSITIVES


def _silent(_point: ScanPoint) -> None:
    """Tells nobody."""


def scan_bits(
    recipe: Adc2021,
    data: TrainingData,
    samples: ScanSamples,
    settings: TrainingSettings,
    bits: Iterable[int] = ALL_BITS,
    progress: Callable[[ScanPoint], None] = _silent,
) -> list[ScanPoint]:
    """Train a network of the challenge in float and in each number of bits, and compare; float comes first.

    Args:
        recipe: one of the `adc2021_*`; its own `bits` are not used.
        data: to train on, from `models.training.train.prepared`.
        samples: to judge on.
        settings: of each training.
        bits: to try.
        progress: called after each training.

    Raises:
        BadValue: the background is too small.
        TrainingDataUnfit, TrainingDiverged: as `models.training.train.train`.
    """
    points: list[ScanPoint] = []
    for n in (None, *bits):
        chosen = recipe if n is None else recipe.model_copy(update={"bits": n})
        trainer = Trainer(settings, Checkpoints(None, ""), silent)
        scores = chosen.trained(data, trainer, exact=n is not None).scores
        background = scores(samples.background)
        found = {name: scores(rows) for name, rows in samples.signals.items()}
        auc = {name: area_under_curve(background, signal) for name, signal in found.items()}
        tpr = {name: true_positive_rate(background, s, samples.false_positives) for name, s in found.items()}
        reference = points[0] if points else ScanPoint(None, auc, tpr, {}, {})
        point = ScanPoint(n, auc, tpr, _ratios(auc, reference.auc), _ratios(tpr, reference.tpr))
        points.append(point)
        progress(point)
    return points


def _ratios(found: Mapping[str, float], reference: Mapping[str, float]) -> dict[str, float]:
    return {name: value / reference[name] if reference[name] else float("nan") for name, value in found.items()}
