"""From crossings to a network: reads, trains, exports, compares (`docs/training.md`)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.backends import fixed
from models.network import Network
from models.training.checkpoints import Checkpoints, EpochRecord, Progress, silent
from models.training.data import Rows, TrainingData, WantedCrossings, read_training_data
from models.training.recipe import Fitted, Recipe
from models.training.settings import TrainingSettings
from triggers.events.open import open_source
from triggers.events.source import Source

COMPARED_CROSSINGS: Final = 2000
DataSource = Source | Sequence[str | Path]


@dataclass(frozen=True)
class Agreement:
    """How the training framework's scores compare with the network's integers.

    Attributes:
        crossings: of the training data, the first ones.
        differing: those whose integer the framework's float32 arithmetic does not give.
        largest: the largest difference, integers.
    """

    crossings: int
    differing: int
    largest: int


@dataclass(frozen=True)
class Trained:
    """A system that was trained.

    Attributes:
        recipe: what was trained.
        settings: and how.
        fitted: network and scores.
        sample: name of the source.
        crossings: that it was trained on.
        digest: SHA-256 of list and values of inputs.
        example_inputs: the first crossings, `(n, n_inputs) int16`.
        records: of every epoch.
        seconds: by step: `read` (of `train` only), `train`, `compare`.
        agreement: of framework and network.
    """

    recipe: Recipe
    settings: TrainingSettings
    fitted: Fitted
    sample: str
    crossings: int
    digest: str
    example_inputs: Rows
    records: tuple[EpochRecord, ...]
    seconds: Mapping[str, float]
    agreement: Agreement

    @property
    def network(self) -> Network:
        """In fixed point: what is deployed."""
        return self.fitted.network

    @property
    def network_document(self) -> bytes:
        """The network description, canonical JSON."""
        return self.network.to_json()

    def float_scores(self, inputs: Rows) -> NDArray[np.float64]:
        """Scores `(n,)` of inputs `(n, n_inputs)`, hardware units, as the training framework computes them.

        They are in the unit of the network's score (an integer is 1 / `network.integer_scale` of it), neither cut nor
        saturated.

        Raises:
            InputsInvalid: an input is NaN.
        """
        return self.fitted.float_scores(inputs)

    def other_scores(self, inputs: Rows) -> dict[str, NDArray[np.float64]]:
        """Scores to compare with, by name, as `float_scores`."""
        return {name: scores(inputs) for name, scores in self.fitted.other_scores.items()}


def train(
    recipe: Recipe,
    data: DataSource,
    settings: TrainingSettings,
    progress: Progress = silent,
    *,
    checkpoints: Path | None = None,
    resume: bool = False,
) -> Trained:
    """Train a system on zero bias.

    Args:
        recipe: from `models.zoo.recipe`.
        data: a source of crossings, or paths of event files.
        settings: of the training; the same ones and the same libraries give the same network.
        progress: called after every epoch.
        checkpoints: folder for the state after every epoch; None: none is kept.
        resume: go on from what is there.

    Raises:
        TrainingDataUnfit: the crossings are too few, empty, constant in an input, or of a signal.
        TrainingDiverged: a loss is no finite number any more.
        CheckpointMismatch: the checkpoints are of another training.
        L1ChainError: a file cannot be read.

    Example:
        >>> from models import zoo
        >>> trained = train(zoo.recipe("axol1tl_v5"), ["zb-*.parquet"], TrainingSettings())  # doctest: +SKIP
        >>> Path("network.json").write_bytes(trained.network_document)  # doctest: +SKIP
    """
    clock = _Clock()
    read = prepared(recipe, data, settings)
    clock.stop("read")
    return train_on(recipe, read, settings, progress, Checkpoints(checkpoints, "", resume), clock)


def prepared(recipe: Recipe, data: DataSource, settings: TrainingSettings) -> TrainingData:
    """The crossings that a recipe is trained on.

    Raises:
        TrainingDataUnfit, L1ChainError: as `train`.
    """
    source = open_source(data) if isinstance(data, Sequence) else data
    return read_training_data(
        source, WantedCrossings(recipe.layout, settings.crossings, settings.seed, recipe.accepted)
    )


def train_on(
    recipe: Recipe,
    data: TrainingData,
    settings: TrainingSettings,
    progress: Progress = silent,
    checkpoints: Checkpoints | None = None,
    clock: _Clock | None = None,
) -> Trained:
    """As `train`, on crossings that are read already, such as for many trials on the same ones.

    Args:
        recipe: what to train.
        data: from `prepared` with a recipe of the same inputs.
        settings: of the training.
        progress: called after every epoch.
        checkpoints: where state is kept; their identity is filled in.
        clock: of the time before.

    Raises:
        TrainingDataUnfit, TrainingDiverged, CheckpointMismatch: as `train`.
    """
    from models.training.loop import Trainer

    clock = clock or _Clock()
    kept = checkpoints or Checkpoints(None, "")
    trainer = Trainer(
        settings, Checkpoints(kept.folder, identity(recipe, settings, data.digest), kept.resume), progress
    )
    fitted = recipe.fit(data, trainer)
    clock.stop("train")
    examples = data.inputs[:COMPARED_CROSSINGS]
    agreement = agreement_of(fitted, examples)
    clock.stop("compare")
    return Trained(
        recipe,
        settings,
        fitted,
        data.sample,
        len(data.inputs),
        data.digest,
        examples,
        tuple(trainer.records),
        clock.seconds,
        agreement,
    )


def identity(recipe: Recipe, settings: TrainingSettings, digest: str) -> str:
    """SHA-256 of all that a training's result depends on, besides libraries and code."""
    text = "\n".join([type(recipe).__name__, recipe.model_dump_json(), settings.model_dump_json(), digest])
    return hashlib.sha256(text.encode()).hexdigest()


def agreement_of(fitted: Fitted, inputs: Rows) -> Agreement:
    """Compare the framework's scores of some crossings with the network's."""
    expected = fixed.score(fitted.network, inputs)
    low, high = fitted.network.score_type.code_range
    found = np.clip(np.floor(fitted.float_scores(inputs) * fitted.network.integer_scale), low, high).astype(np.int64)
    differences = np.abs(found - expected)
    return Agreement(len(inputs), int((differences > 0).sum()), int(differences.max(initial=0)))


class _Clock:
    """The time of each step, in seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._start = time.perf_counter()

    def stop(self, step: str) -> None:
        """The step ends, and the next one begins."""
        now = time.perf_counter()
        self.seconds[step] = round(now - self._start, 3)
        self._start = now
