"""Plots of a training run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.training.checkpoints import EpochRecord

_INCHES: Final = 4.0
_BINS: Final = 60


def curves_figure(records: Sequence[EpochRecord]) -> Any:
    """The terms of the loss by epoch, one panel a stage."""
    from matplotlib.figure import Figure

    stages = list(dict.fromkeys(record.stage for record in records))
    figure = Figure(figsize=(_INCHES * max(len(stages), 1), _INCHES), layout="constrained")
    for axes, stage in zip(figure.subplots(1, max(len(stages), 1), squeeze=False)[0], stages, strict=False):
        mine = [record for record in records if record.stage == stage]
        for term in mine[0].terms:
            axes.plot([r.epoch for r in mine], [r.terms[term] for r in mine], label=term)
        axes.set(title=stage, xlabel="epoch", ylabel="mean over the epoch")
        axes.legend(frameon=False)
    return figure


def scores_figure(scores: NDArray[np.float64]) -> Any:
    """The distribution of scores of zero bias."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_INCHES, _INCHES), layout="constrained")
    axes = figure.subplots()
    axes.hist(scores, bins=_BINS, histtype="step", log=True)
    axes.set(xlabel="score", ylabel="crossings", title="zero bias")
    return figure
