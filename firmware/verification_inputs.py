"""What the forms of a version are compared on (`docs/firmware.md`, "Verify")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from firmware.ports import Ports, port_types
from models.fixed_point import FixedPoint
from models.inputs import hardware_inputs
from models.reference import reference_inputs
from models.repository import LoadedVersion
from triggers.errors import BadValue
from triggers.events.crossings import column_view
from triggers.events.source import Source

N_RANDOM: Final = 100_000
_BATCH: Final = 16_384
_PART_EXTREME: Final = 0.5
_PART_AT_ENDS: Final = 0.5
_LARGEST: Final = 1 << 53
"""Integers beyond this are not drawn: float64 holds the others exactly."""

Inputs = NDArray[Any]
"""Numbers `(n, n_inputs)`, before the network's scaling."""


def input_sets(
    loaded: LoadedVersion, ports: Ports, zero_bias: Source | None, n: int = N_RANDOM, seed: int = 0
) -> Mapping[str, Inputs]:
    """Reference inputs, zero bias and random extremes, by name.

    Args:
        loaded: the version.
        ports: random numbers are of the types that the design's inputs have.
        zero_bias: crossings to score; None for none.
        n: how many crossings of zero bias at most, and how many random inputs.
        seed: of the random numbers.

    Raises:
        InputsInvalid: an input cannot be made of packed words.
        BadValue: the source lacks a column that the inputs are made of, or no crossing is asked for.
        L1ChainError: the source is damaged.
    """
    if n < 1:
        raise BadValue("random inputs", f"{n} of them", "ask for at least 1")
    sets = {"reference": reference_inputs(loaded.network, seed)}
    if zero_bias is not None:
        sets["zero bias"] = crossings(loaded, zero_bias, n)
    sets["random extremes"] = _extremes(port_types(loaded, ports), n, seed)
    return sets


def crossings(loaded: LoadedVersion, source: Source, n: int | None = None) -> Inputs:
    """The inputs `(n, n_inputs)` of the first `n` crossings of a source, or of all.

    Raises:
        InputsInvalid: an input cannot be made of packed words.
        BadValue: the source lacks a column that the inputs are made of, or has no crossing.
        L1ChainError: it is damaged.
    """
    rows: list[Inputs] = []
    for batch in source.batches(_BATCH):
        lacking = [name for name in loaded.layout.columns if name not in batch.schema.names]
        if lacking:
            what = f"has no column '{lacking[0]}', which {loaded.label} reads"
            raise BadValue(source.info.name, what, "name other crossings")
        columns = {name: column_view(batch.column(name)) for name in loaded.layout.columns}
        rows.append(hardware_inputs(loaded.layout, columns))
        if n is not None and sum(map(len, rows)) >= n:
            break
    if not rows:
        raise BadValue(source.info.name, "has no crossings", "name other crossings")
    return np.concatenate(rows)[:n]


def _extremes(kinds: tuple[FixedPoint, ...], n: int, seed: int) -> Inputs:
    """Numbers of given types: half of the rows anywhere in their ranges, in the others many at their ends or near 0."""
    random = np.random.default_rng(seed)
    made = np.empty((n, len(kinds)))
    extreme = random.random(n) < _PART_EXTREME
    for column, kind in zip(made.T, kinds, strict=True):
        low, high = (max(-_LARGEST, min(end, _LARGEST)) for end in kind.code_range)
        codes = random.integers(low, high, n, endpoint=True)
        ends = np.array([low, low + 1, -1, 0, 1, high - 1, high]).clip(low, high)
        at_ends = extreme & (random.random(n) < _PART_AT_ENDS)
        column[:] = np.ldexp(np.where(at_ends, random.choice(ends, n), codes), -kind.fraction_bits)
    return made
