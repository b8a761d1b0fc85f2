"""Crossings to train on: the inputs of a network as one compact array (`docs/training.md`, "Data")."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.inputs import hardware_inputs
from models.layouts import LayoutName, named_elements, named_layout
from models.training.errors import TrainingDataUnfit
from triggers.events.crossings import column_view
from triggers.events.source import Source

LEAST_CROSSINGS: Final = 1000
_BATCH_ROWS: Final = 1 << 14
_ZERO_BIAS: Final = ("zero_bias", "zerobias", "zb", "singleneutrino")
"""How the names of processes that are no signal begin, in small letters: of the simulation, of data, of open data."""
Rows = NDArray[np.int16]


@dataclass(frozen=True)
class TrainingData:
    """What a network is trained on.

    Attributes:
        layout: the list of inputs.
        inputs: `(n_crossings, n_inputs) int16`, hardware units.
        sample: the source's name.
        digest: SHA-256 of list and inputs.
    """

    layout: LayoutName
    inputs: Rows
    sample: str
    digest: str


@dataclass(frozen=True)
class WantedCrossings:
    """Which crossings are read.

    Attributes:
        layout: the list of inputs.
        most: at most so many, the first ones.
        seed: of the drawing of weighted crossings.
        accepted: which rows of inputs are kept, `(n,) bool`; None: all.
    """

    layout: LayoutName
    most: int
    seed: int
    accepted: Callable[[Rows], NDArray[np.bool_]] | None = None


def read_training_data(source: Source, wanted: WantedCrossings) -> TrainingData:
    """Read zero-bias crossings, in memory of two bytes for each input.

    Weighted crossings are drawn again, in proportion to their weights, so that all that follows is unweighted.

    Args:
        source: crossings; context rows are passed over.
        wanted: which of them.

    Raises:
        TrainingDataUnfit: they are too few, empty, all the same, of a signal, lack a column, or have unusable weights.
        L1ChainError: the source is damaged.
    """
    inputs = np.empty((0, len(named_elements(wanted.layout))), np.int16)
    parts, weights, n, n_read = [inputs], [], 0, 0
    for batch_rows, rows, weight in _batches(source, wanted):
        parts.append(rows)
        weights.append(weight)
        n, n_read = n + len(rows), n_read + batch_rows
        if n >= wanted.most:
            break
    inputs = np.concatenate(parts)[: wanted.most]
    name = source.info.name
    if len(inputs) < LEAST_CROSSINGS:
        passed = f"; of {n_read} crossings the others do not pass the preselection" if n < n_read else ""
        what = f"has {len(inputs)} crossings to train on, at least {LEAST_CROSSINGS} are needed{passed}"
        raise TrainingDataUnfit(name, what, "give more crossings")
    inputs = _drawn_by_weight(inputs, np.concatenate(weights)[: wanted.most], wanted.seed, name)
    if not inputs.any():
        what = f"is empty for the inputs {wanted.layout}: all are 0 in all {len(inputs)} crossings"
        raise TrainingDataUnfit(name, what, "give crossings that have these objects")
    if (inputs == inputs[0]).all():
        what = f"has the same inputs {wanted.layout} in all {len(inputs)} crossings"
        raise TrainingDataUnfit(name, what, "give crossings that differ")
    digest = hashlib.sha256(wanted.layout.encode() + inputs.tobytes()).hexdigest()
    return TrainingData(wanted.layout, inputs, name, digest)


def _batches(source: Source, wanted: WantedCrossings) -> Iterator[tuple[int, Rows, NDArray[np.float64]]]:
    """Crossings in each batch without context; inputs and weights of those that are kept."""
    layout, name = named_layout(wanted.layout), source.info.name
    for batch in source.batches(_BATCH_ROWS):
        _check_columns(batch, layout.columns, name)
        rows = hardware_inputs(layout, {column: column_view(batch.column(column)) for column in layout.columns})
        weights = np.ones(len(rows))
        if "weight" in batch.schema.names:
            weights = column_view(batch.column("weight")).astype(np.float64)
        kept = np.ones(len(rows), bool)
        if "context" in batch.schema.names:
            kept = ~batch.column("context").to_numpy(zero_copy_only=False)
        n_read = int(np.count_nonzero(kept))
        if wanted.accepted is not None:
            kept &= wanted.accepted(rows)
        yield n_read, rows[kept], weights[kept]


def _check_columns(batch: pa.RecordBatch, columns: tuple[str, ...], name: str) -> None:
    for column in columns:
        if column not in batch.schema.names:
            raise TrainingDataUnfit(name, f"has no column '{column}'", "give crossings that have it")
    if "process" in batch.schema.names:
        named = [process for process in batch.column("process").unique().to_pylist() if process]
        signals = [process for process in named if not process.lower().startswith(_ZERO_BIAS)]
        if signals:
            what = f"holds crossings of the process '{min(signals)}'"
            raise TrainingDataUnfit(name, what, "train on zero bias only: signals must be new to the network")


def _drawn_by_weight(inputs: Rows, weights: NDArray[np.float64], seed: int, name: str) -> Rows:
    if (weights == 1.0).all():
        return inputs
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        what = "has weights that are negative, infinite, NaN or all 0"
        raise TrainingDataUnfit(name, what, "correct the column 'weight', or give crossings without it")
    chosen = np.random.default_rng(seed).choice(len(inputs), len(inputs), p=weights / weights.sum())
    return inputs[chosen]
