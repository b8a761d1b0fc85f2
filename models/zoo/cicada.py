"""CICADA: a convolutional autoencoder teaches a small network its error (`docs/training.md`, "cicada")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import Field

from models.fixed_point import FixedPoint
from models.layouts import LayoutName
from models.training.autoencoders import apply
from models.training.data import TrainingData
from models.training.errors import TrainingDataUnfit
from models.training.fake_quantised import FakeQuantisedConv, FakeQuantisedDense, LayerTypes
from models.training.loop import LOSS, Stage, Trainer
from models.training.networks import INPUT, NetworkWriter
from models.training.outliers import outliers
from models.training.recipe import Fitted, Recipe
from models.training.scoring import in_batches, scores_of
from models.zoo.encoders import ACTIVATIONS, Width

REGION: Final = FixedPoint.parse("ap_uint<10>")
IMAGE: Final = (18, 14, 1)
CONV_WEIGHTS: Final = FixedPoint.parse("ap_fixed<12,4,AP_RND_CONV,AP_SAT>")
DENSE_WEIGHTS: Final = FixedPoint.parse("ap_fixed<8,2,AP_RND_CONV,AP_SAT>")
DENSE_BIASES: Final = FixedPoint.parse("ap_fixed<8,4,AP_RND_CONV,AP_SAT>")
NO_BIAS: Final = FixedPoint.parse("ap_ufixed<1,1,AP_RND_CONV,AP_SAT>")
SCORE: Final = FixedPoint.parse("ap_ufixed<16,8,AP_RND_CONV,AP_SAT>")
_ET_SCALE: Final = 16.0
_TARGET_SCALE: Final = 32.0
_RARE_TARGET: Final = 128.0
_ENDS: Final = (1.0, 99.9)
_LARGEST_TARGET: Final = 255.0


class TeacherStage(Stage):
    """Trains the teacher: the mean squared error of the reconstructed image."""

    def __init__(self, layers: Sequence[keras.layers.Layer]) -> None:
        super().__init__("teacher", layers)

    def losses(self, rows: Sequence[Any], seed: Any) -> dict[str, Any]:  # noqa: ARG002 - nothing is random
        """The loss alone."""
        return {LOSS: tf.reduce_mean(self.errors(rows[0]))}

    def errors(self, rows: Any) -> Any:
        """The mean squared error `(n,)` of each image."""
        image = tf.reshape(tf.cast(rows, tf.float32), (-1, *IMAGE)) / _ET_SCALE
        return tf.reduce_mean(tf.square(apply(self.layers, image) - image), axis=(1, 2, 3))


class StudentStage(Stage):
    """Trains the student: the mean absolute difference from the teacher's scaled logarithm."""

    def __init__(self, layers: Sequence[keras.layers.Layer]) -> None:
        super().__init__("student", layers)

    def losses(self, rows: Sequence[Any], seed: Any) -> dict[str, Any]:  # noqa: ARG002 - nothing is random
        """The loss alone."""
        return {LOSS: tf.reduce_mean(tf.abs(self.scores(rows[0]) - rows[1])) / _TARGET_SCALE}

    def scores(self, rows: Any) -> Any:
        """What the student gives, `(n,)`."""
        return apply(self.layers, tf.reshape(tf.cast(rows, tf.float32), (-1, *IMAGE)))[:, 0]


class Cicada(Recipe):
    """Student: convolution 2×2/2 with 4 filters, dense 16, dense 1; it gives the logarithm of the teacher's error.

    Attributes:
        filters: of the student's convolution.
        hidden: of the student.
        teacher_filters: of the teacher's convolution and of its mirror.
        teacher_latent: numbers of the teacher's latent space.
        teacher_epochs: passes over zero bias.
        student_epochs: passes over zero bias and outliers.
        outlier_part: outliers per crossing of zero bias.
    """

    model: ClassVar[str] = "cicada"
    summary: ClassVar[str] = "Student of a convolutional autoencoder on the 252 calorimeter regions"
    layout: ClassVar[LayoutName] = "cicada-252"

    filters: Width = 4
    hidden: Width = 16
    teacher_filters: Width = 16
    teacher_latent: Width = 40
    teacher_epochs: Annotated[int, Field(ge=1)] = 6
    student_epochs: Annotated[int, Field(ge=1)] = 12
    outlier_part: Annotated[float, Field(ge=0, le=2)] = 0.3

    def fit(self, data: TrainingData, trainer: Trainer) -> Fitted:
        """Train the teacher on zero bias, and the student on zero bias and outliers."""
        teacher = TeacherStage(self._teacher())
        trainer.fit(teacher, [data.inputs], self.teacher_epochs)
        errors = in_batches(teacher.errors)
        seen = errors(data.inputs)
        offset, slope = _scale_of(seen, data.sample)
        unusual = outliers(data.inputs, round(self.outlier_part * len(data.inputs)), trainer.settings.seed)
        rows = np.concatenate([data.inputs, unusual])
        targets = np.clip((np.log(np.concatenate([seen, errors(unusual)])) - offset) * slope, 0.0, _LARGEST_TARGET)
        student = StudentStage(self._student())
        trainer.fit(student, [rows, targets.astype(np.float32)], self.student_epochs)
        conv, _, *dense = student.layers
        writer = NetworkWriter(self.layout, data.inputs.shape[1], REGION)
        image = writer.conv([conv.exported()], INPUT, "conv")
        made = writer.dense([layer.exported() for layer in dense], writer.flatten(image, "flat"), "dense")
        score = {"kind": "network_output", "of": made, "type": str(SCORE)}
        figures = {"log_error_offset": offset, "log_error_slope": slope}

        def teacher_scores(inputs: NDArray[np.int16]) -> NDArray[np.float64]:
            return np.asarray((np.log(errors(inputs)) - offset) * slope, np.float64)

        network = writer.network(self.model, self.summary, score)
        return Fitted(network, scores_of(student.scores), {"teacher": teacher_scores}, figures)

    def _teacher(self) -> list[keras.layers.Layer]:
        rows, columns, n = IMAGE[0] // 2, IMAGE[1] // 2, self.teacher_filters
        layers = [
            keras.layers.Conv2D(n, 3, strides=2, padding="same", activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(self.teacher_latent, activation="relu"),
            keras.layers.Dense(rows * columns * n, activation="relu"),
            keras.layers.Reshape((rows, columns, n)),
            keras.layers.Conv2DTranspose(1, 4, strides=2, padding="same"),
        ]
        apply(layers, tf.zeros((1, *IMAGE)))
        return layers

    def _student(self) -> list[keras.layers.Layer]:
        conv_types = LayerTypes(ACTIVATIONS, CONV_WEIGHTS, NO_BIAS)
        layers = [
            FakeQuantisedConv(self.filters, (2, 2), conv_types, stride=(2, 2), biased=False),
            keras.layers.Flatten(),
            FakeQuantisedDense(self.hidden, LayerTypes(ACTIVATIONS, DENSE_WEIGHTS, DENSE_BIASES)),
            FakeQuantisedDense(1, LayerTypes(SCORE, CONV_WEIGHTS, NO_BIAS), biased=False),
        ]
        apply(layers, tf.zeros((1, *IMAGE)))
        return layers


def _scale_of(errors: NDArray[np.float32], sample: str) -> tuple[float, float]:
    """Offset and slope that take the logarithm of the error to 0 for usual and to half of the scale for rare ones."""
    low, high = np.log(np.percentile(errors[errors > 0], _ENDS)) if (errors > 0).any() else (0.0, 0.0)
    if not high > low:
        raise TrainingDataUnfit(sample, "is reconstructed equally well in all crossings", "give other crossings")
    return float(low), float(_RARE_TARGET / (high - low))
