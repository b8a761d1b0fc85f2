"""Networks that are no versions, scored on inputs kept in memory: for many networks on the same crossings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.backends import open_backend
from models.errors import BackendLimit
from models.evaluation_errors import SampleUnfit
from models.inputs import hardware_inputs
from models.layouts import LayoutName, named_layout
from models.manifest import Manifest
from models.network import NETWORK_FILE, Network
from models.repository import LoadedVersion
from triggers.events.crossings import column_view
from triggers.events.source import Source

_BATCH_ROWS: Final = 1 << 14
_BACKENDS: Final = ("onnxruntime", "fixed")
"""The first that computes the network exactly."""


@dataclass(frozen=True, eq=False)
class InputSample:
    """A sample as inputs of a network.

    Attributes:
        name: of the source.
        inputs: `(n, n_inputs) int16`, hardware units.
        weights: `(n,)`.
    """

    name: str
    inputs: NDArray[np.int16]
    weights: NDArray[np.float64]


def read_inputs(source: Source, layout: LayoutName, most: int | None = None) -> InputSample:
    """Read a source once, without context.

    Args:
        source: crossings.
        layout: the list of inputs.
        most: at most so many crossings, the first ones.

    Raises:
        SampleUnfit: there are none, or their weights are none.
        L1ChainError: the source is damaged.
    """
    places, name = named_layout(layout), source.info.name
    inputs, weights, n = [np.empty((0, len(places.fields)), np.int16)], [np.empty(0)], 0
    for batch in source.batches(_BATCH_ROWS):
        names = batch.schema.names
        kept = np.ones(batch.num_rows, bool)
        if "context" in names:
            kept = ~batch.column("context").to_numpy(zero_copy_only=False)
        columns = {column: column_view(batch.column(column)) for column in places.columns}
        inputs.append(hardware_inputs(places, columns)[kept])
        stated = column_view(batch.column("weight")).astype(np.float64) if "weight" in names else np.ones(len(kept))
        weights.append(stated[kept])
        n += len(inputs[-1])
        if most is not None and n >= most:
            break
    sample = InputSample(name, np.concatenate(inputs)[:most], np.concatenate(weights)[:most])
    if not sample.weights.any() or not np.isfinite(sample.weights).all() or (sample.weights < 0).any():
        raise SampleUnfit(name, "has no crossings of positive weight", "give other crossings")
    return sample


def network_scorer(network: Network) -> Callable[[NDArray[np.int16]], NDArray[np.int64]]:
    """A function from inputs `(n, n_inputs)` to score integers `(n,)`, in the network's exact arithmetic."""
    version = _in_memory(network)
    for name in _BACKENDS:
        try:
            return open_backend(name, version).score_inputs
        except BackendLimit:
            continue
    return open_backend(_BACKENDS[-1], version).score_inputs


def _in_memory(network: Network) -> LoadedVersion:
    content = network.to_json()
    manifest = Manifest(
        name="network",
        version="in-memory",
        description=network.name[:200],
        backend=_BACKENDS[0],
        precision="bit-exact",
        files={NETWORK_FILE: hashlib.sha256(content).hexdigest()},
    )
    return LoadedVersion(manifest, Path("network"), digest="", files={NETWORK_FILE: content})
