"""Dense layers that learn the width of every number, by HGQ2's quantisers (`docs/training.md`, "Learned widths")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import keras
import tensorflow as tf
from hgq.layers import QDense
from hgq.quantizer import QuantizerConfig

from models.fixed_point import FixedPoint
from models.layouts import LayoutName, network_inputs
from models.network import Network
from models.scaling import InputScaling
from models.scores import Score
from models.training.hgq_network import network_of_hgq
from models.training.keras_graph import keras_graph
from models.training.loop import LOSS, Stage
from models.training.networks import INPUT

_ROUNDING: Final = "RND_CONV"
_WEIGHTS: Final = {"i0": 2, "f0": 5, "round_mode": _ROUNDING, "overflow_mode": "SAT_SYM"}
"""What weights begin at; saturating symmetrically, a weight of no bits costs none."""
_BIASES: Final = {"i0": 5, "f0": 5, "round_mode": _ROUNDING, "overflow_mode": "SAT_SYM"}


def learned_layers(
    widths: Sequence[int], given: FixedPoint, hidden: FixedPoint, made: FixedPoint
) -> tuple[QDense, ...]:
    """Dense layers with ReLU but for the last; every weight and every number learns its own bits.

    Args:
        widths: outputs of each layer.
        given: type that the bits of the first layer's inputs begin at.
        hidden: of the numbers in between; without sign.
        made: of the last layer's outputs.
    """
    layers = []
    for n, width in enumerate(widths):
        is_last = n == len(widths) - 1
        layers.append(
            QDense(
                width,
                activation=None if is_last else "relu",
                kq_conf=QuantizerConfig("kif", "weight", **_WEIGHTS),
                bq_conf=QuantizerConfig("kif", "bias", **_BIASES),
                iq_conf=_numbers(given if n == 0 else hidden),
                oq_conf=_numbers(made) if is_last else None,
                enable_iq=True,
                enable_oq=is_last,
                enable_ebops=False,
            )
        )
    return tuple(layers)


def bit_operations(layers: Sequence[QDense]) -> Any:
    """Effective bit operations of a crossing, a scalar: Σ bits of a weight · bits of the number that it multiplies."""
    total = tf.zeros(())
    for layer in layers:
        shape = tuple(layer.kernel.shape)
        total += tf.reduce_sum(tf.matmul(layer.iq.bits_((1, shape[0])), layer.kq.bits_(shape)))
    return total


class LearnedWidths(Stage):
    """A stage whose layers also learn their widths: its loss and a part of the effective bit operations."""

    def __init__(self, stage: Stage, deployed: Sequence[QDense], beta: float) -> None:
        """Prepares the stage.

        Args:
            stage: what is trained.
            deployed: of its layers, those that learn their widths.
            beta: weight of the bit operations.
        """
        super().__init__(stage.name, stage.layers)
        self._stage, self._deployed, self._beta = stage, tuple(deployed), beta

    def losses(self, rows: Sequence[Any], seed: Any) -> dict[str, Any]:
        """The stage's terms, with the bit operations in the loss."""
        terms, operations = self._stage.losses(rows, seed), bit_operations(self._deployed)
        return {**terms, LOSS: terms[LOSS] + self._beta * operations, "bit_operations": operations}


def learned_network(
    layers: Sequence[QDense], layout: LayoutName, scaling: InputScaling, score: Score, name: str
) -> Network:
    """The layers as a network with a type for each element.

    Args:
        layers: trained.
        layout: of the inputs.
        scaling: of the inputs.
        score: of the last layer's outputs.
        name: for people.

    Raises:
        BadValue, NetworkInvalid: a width that a network cannot have.
    """
    n_inputs = len(scaling.offset)
    given = made = keras.Input((n_inputs,))
    for layer in layers:
        made = layer(made)
    graph = keras_graph(keras.Model(given, made), name)
    inputs = network_inputs(layout, n_inputs, scaling.unscaled_type, INPUT)
    return network_of_hgq(graph, name, inputs, scaling, score, name)


def _numbers(kind: FixedPoint) -> QuantizerConfig:
    """A quantiser of activations that begins at a type."""
    whole = kind.integer_bits - int(kind.signed)
    modes = {"round_mode": _ROUNDING, "overflow_mode": "SAT"}
    return QuantizerConfig("kif", "datalane", k0=kind.signed, i0=whole, f0=kind.fraction_bits, **modes)
