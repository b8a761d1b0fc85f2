"""How fast a backend scores crossings, step by step, on one thread (`docs/networks.md`, "Backends")."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from models.backends import open_backend
from models.repository import LoadedVersion
from triggers.errors import BadValue
from triggers.events import schema
from triggers.events.synthetic import SyntheticSource, allocate

Columns = Mapping[str, NDArray[np.generic]]

DEFAULT_CROSSINGS: Final = 1 << 20
DEFAULT_BATCH: Final = 8192
_REPEATS: Final = 5
_MEAN_REGION: Final = 4.0
"""Mean transverse energy of a calorimeter region, in hardware units."""


@runtime_checkable
class Stepwise(Protocol):
    """A backend that can be measured step by step."""

    def steps(self) -> Mapping[str, Callable[[Columns], object]]:
        """By step, in order, what does as `score` does up to the end of that step: `inputs`, `layers`, `score`."""
        ...


@dataclass(frozen=True)
class Speed:
    """What was measured; times are CPU time of one thread, the best of several passes.

    Attributes:
        n_crossings: distinct ones in a pass.
        batch: crossings in a call.
        crossings_per_s: from packed words to score integers.
        ns: per crossing, all steps together.
        inputs_ns: of that, the network's inputs; None if the backend cannot tell the steps apart.
        layers_ns: of that, the network.
        score_ns: of that, the score.
    """

    n_crossings: int
    batch: int
    crossings_per_s: float
    ns: float
    inputs_ns: float | None
    layers_ns: float | None
    score_ns: float | None


def measure(
    version: LoadedVersion, backend: str, n_crossings: int = DEFAULT_CROSSINGS, batch: int = DEFAULT_BATCH
) -> Speed:
    """Score synthetic crossings, all different, from their packed words.

    Raises:
        ModelError: the backend does not exist, or cannot run the version.
        BadValue: there is nothing to measure.
    """
    if n_crossings < 1 or batch < 1:
        raise BadValue("benchmark", f"{n_crossings} crossings in batches of {batch}", "give at least 1 of each")
    engine = open_backend(backend, version)
    columns = _crossings(n_crossings, engine.needed_columns)
    total = _best_ns(engine.score, columns, batch)
    ends = {}
    if isinstance(engine, Stepwise):
        ends = {step: _best_ns(run, columns, batch) for step, run in engine.steps().items() if step != "score"}
    inputs, layers = ends.get("inputs"), ends.get("layers")
    return Speed(
        n_crossings=n_crossings,
        batch=batch,
        crossings_per_s=1e9 / total,
        ns=total,
        inputs_ns=inputs,
        layers_ns=None if inputs is None or layers is None else max(layers - inputs, 0.0),
        score_ns=None if layers is None else max(total - layers, 0.0),
    )


def _crossings(n: int, needed: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Synthetic crossings; calorimeter regions, which the synthetic source has not, fall off exponentially."""
    columns = allocate(n)
    SyntheticSource(n).fill(columns, 0)
    if "regions" in needed:
        energies = np.random.default_rng(n).standard_exponential((n, schema.N_REGIONS), np.float32)
        columns["regions"] = (energies * np.float32(_MEAN_REGION)).astype(np.uint16)
    return {name: columns[name] for name in needed}


def _best_ns(run: Callable[[Columns], object], columns: Columns, batch: int) -> float:
    """Per crossing, of several passes after one that does not count."""
    n = len(next(iter(columns.values())))
    batches = [
        {name: column[start : start + batch] for name, column in columns.items()} for start in range(0, n, batch)
    ]
    run(batches[0])
    times = []
    for _ in range(_REPEATS):
        start_ns = time.thread_time_ns()
        for one in batches:
            run(one)
        times.append(time.thread_time_ns() - start_ns)
    return min(times) / n
