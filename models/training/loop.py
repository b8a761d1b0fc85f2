"""The training loop: stages, compiled epochs, checkpoints, progress (`docs/training.md`, "Loop")."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.training.checkpoints import Checkpoints, EpochRecord, Progress
from models.training.errors import TrainingDiverged
from models.training.settings import TrainingSettings

CLIP_NORM: Final = 1.0
LOSS: Final = "loss"


class Stage(ABC):
    """One part of a recipe: layers that are trained together on one loss.

    Attributes:
        name: such as `embedding`; unique in its recipe.
        layers: those that are trained; built before the stage is.
    """

    def __init__(self, name: str, layers: Sequence[keras.layers.Layer]) -> None:
        self.name, self.layers = name, tuple(layers)

    @abstractmethod
    def losses(self, rows: Sequence[Any], seed: Any) -> dict[str, Any]:
        """The terms of the loss of some rows, scalars by name, `loss` first.

        Args:
            rows: tensors `(batch_rows, …)`, one for each array that the stage is trained on.
            seed: `(2,) int32` for stateless random numbers, another one in every step.
        """

    def before_epoch(self, epoch: int, epochs: int) -> None:  # noqa: B027 - most stages do nothing
        """What happens before an epoch, counted from 1."""


class Trainer:
    """Trains the stages of a recipe one after the other; the same seed gives the same numbers, resumed or not.

    Attributes:
        settings: of all stages.
        records: of all epochs so far.
    """

    def __init__(self, settings: TrainingSettings, checkpoints: Checkpoints, progress: Progress) -> None:
        self.settings, self.records = settings, list[EpochRecord]()
        self._checkpoints, self._progress = checkpoints, progress
        keras.utils.set_random_seed(settings.seed)
        tf.config.experimental.enable_op_determinism()

    def fit(self, stage: Stage, arrays: Sequence[NDArray[Any]], epochs: int) -> None:
        """Train a stage.

        Args:
            stage: what to train.
            arrays: rows of the same crossings, `(n_crossings, …)` each.
            epochs: unless the settings state another number.

        Raises:
            TrainingDiverged: the loss is no finite number any more.
            CheckpointMismatch, FileUnreadable: there is a checkpoint that cannot be resumed from.
        """
        epochs = self.settings.epochs or epochs
        n_rows = len(arrays[0])
        batch_rows = min(self.settings.batch_rows, n_rows)
        n_steps = n_rows // batch_rows
        trained = [variable for layer in stage.layers for variable in layer.trainable_variables]
        schedule = keras.optimizers.schedules.CosineDecay(self.settings.learning_rate, epochs * n_steps)
        optimizer = keras.optimizers.Adam(schedule, global_clipnorm=CLIP_NORM)
        optimizer.build(trained)
        kept = [v for layer in stage.layers for v in layer.variables] + list(optimizer.variables)
        done = self._resumed(stage, kept)
        if done == epochs:
            return
        run_epoch = _compiled(stage, optimizer, trained, n_steps, batch_rows)
        tensors = [tf.constant(array) for array in arrays]
        for epoch in range(done + 1, epochs + 1):
            start = time.perf_counter()
            stage.before_epoch(epoch, epochs)
            order = np.random.default_rng([self.settings.seed, epoch]).permutation(n_rows).astype(np.int32)
            first = tf.constant([self.settings.seed, (epoch - 1) * n_steps], tf.int32)
            found = {name: float(value) for name, value in run_epoch(tensors, tf.constant(order), first).items()}
            if not np.isfinite(list(found.values())).all():
                raise TrainingDiverged(stage.name, epoch, found)
            record = EpochRecord(stage.name, epoch, epochs, found, round(time.perf_counter() - start, 3))
            self.records.append(record)
            mine = [record for record in self.records if record.stage == stage.name]
            self._checkpoints.save(stage.name, [variable.numpy() for variable in kept], mine)
            self._progress(record)

    def _resumed(self, stage: Stage, kept: Sequence[Any]) -> int:
        checkpoint = self._checkpoints.load(stage.name)
        if checkpoint is None:
            return 0
        for variable, value in zip(kept, checkpoint.variables, strict=True):
            variable.assign(value)
        self.records.extend(checkpoint.records)
        return len(checkpoint.records)


def _compiled(
    stage: Stage, optimizer: keras.optimizers.Optimizer, trained: Sequence[Any], n_steps: int, batch_rows: int
) -> Callable[..., dict[str, Any]]:
    """One epoch as a graph: rows are gathered, steps taken and the terms of the loss averaged without leaving it."""

    @tf.function  # type: ignore[untyped-decorator]
    def step(rows: list[Any], seed: Any) -> dict[str, Any]:
        with tf.GradientTape() as tape:
            terms = stage.losses(rows, seed)
        gradients = tape.gradient(terms[LOSS], [variable.value for variable in trained])
        optimizer.apply(gradients, trained)
        return terms

    @tf.function  # type: ignore[untyped-decorator]
    def epoch(arrays: list[Any], order: Any, first: Any) -> dict[str, Any]:
        def body(i: Any, sums: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
            chosen = order[i * batch_rows : (i + 1) * batch_rows]
            chosen.set_shape((batch_rows,))
            terms = step([tf.gather(array, chosen) for array in arrays], first + tf.stack([0, i]))
            return i + 1, {name: sums[name] + terms[name] for name in sums}

        names = list(step.get_concrete_function(_row_shapes(arrays), _SEED).structured_outputs)
        zeros = {name: tf.zeros((), tf.float32) for name in names}
        _, sums = tf.while_loop(lambda i, _: i < n_steps, body, (tf.constant(0), zeros))
        return {name: sums[name] / n_steps for name in names}

    def _row_shapes(arrays: list[Any]) -> list[Any]:
        return [tf.TensorSpec((batch_rows, *array.shape[1:]), array.dtype) for array in arrays]

    return epoch  # type: ignore[no-any-return]


_SEED: Final = tf.TensorSpec((2,), tf.int32)
