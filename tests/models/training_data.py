"""Crossings for tests of training: inputs at random, with the structure of Level-1 objects."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.layouts import LayoutName, named_elements, named_layout
from models.training.data import TrainingData
from triggers.events.source import SourceInfo

MEAN_MOMENTUM = 25.0
PART_PRESENT = 0.8


def random_inputs(layout: LayoutName, n: int, seed: int = 1) -> NDArray[np.int16]:
    """Objects that are mostly there, with falling momenta, anywhere."""
    random = np.random.default_rng(seed)
    elements, fields = named_elements(layout), named_layout(layout).fields
    objects = {key: random.random(n) < PART_PRESENT for key in dict.fromkeys((e.object, e.rank) for e in elements)}
    columns = []
    for element, place in zip(elements, fields, strict=True):
        low, high = place.field.allowed if place.field.bits else (0, 0)
        there = objects[element.object, element.rank]
        if element.quantity in ("pt", "et"):
            values = np.clip(1 + random.exponential(MEAN_MOMENTUM, n), 1, high)
        else:
            values = random.integers(low, high, n, endpoint=True)
        columns.append(np.where(there, values, 0))
    return np.stack(columns, axis=1).astype(np.int16)


def random_data(layout: LayoutName, n: int = 3000, seed: int = 1) -> TrainingData:
    inputs = random_inputs(layout, n, seed)
    return TrainingData(layout, inputs, "random numbers", hashlib.sha256(inputs.tobytes()).hexdigest())


@dataclass(frozen=True)
class HeldSource:
    """Crossings in memory as a source."""

    table: pa.RecordBatch

    @property
    def info(self) -> SourceInfo:
        return SourceInfo("held", self.table.num_rows, ())

    def batches(self, n_rows: int) -> Iterator[pa.RecordBatch]:
        for start in range(0, max(self.table.num_rows, 1), n_rows):
            yield self.table.slice(start, n_rows)
