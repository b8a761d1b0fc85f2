"""Functions of the training framework as functions of arrays, in batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.errors import InputsInvalid

_BATCH_ROWS: Final = 1 << 14


def in_batches(function: Callable[[Any], Any]) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """A function of rows, made a graph, which is given many rows a part at a time."""
    graph = tf.function(function, reduce_retracing=True)

    def apply(rows: NDArray[Any]) -> NDArray[np.float32]:
        if np.isnan(rows).any():
            raise InputsInvalid("inputs", "NaN", "numbers")
        parts = [graph(tf.constant(rows[i : i + _BATCH_ROWS])).numpy() for i in range(0, len(rows), _BATCH_ROWS)]
        return np.concatenate(parts) if parts else graph(tf.constant(rows)).numpy()

    return apply


def scores_of(function: Callable[[Any], Any]) -> Callable[[NDArray[Any]], NDArray[np.float64]]:
    """A function from rows of inputs to one number each, as a function of arrays."""
    apply = in_batches(function)

    def scores(rows: NDArray[Any]) -> NDArray[np.float64]:
        return apply(rows).astype(np.float64)

    return scores
