"""Rate tables: counts → Hz of simulated time, with errors (`docs/decision.md`, section "Rates")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triggers.decision.counts import STEPS, Counts
from triggers.decision.prescales import INCREMENT
from triggers.decision.settings import simulated_seconds
from triggers.menu.model import Menu

RATE_SCHEMA: Final = pa.schema(
    [
        pa.field("index", pa.uint16()),
        pa.field("algorithm", pa.string()),
        pa.field("evaluated", pa.bool_()),
        pa.field("prescale", pa.float64()),
        *(pa.field(step, pa.int64()) for step in STEPS),
        *(pa.field(f"{step}{unit}", pa.float64()) for step in STEPS for unit in ("_hz", "_error_hz")),
    ]
)
"""The table of a run: for each step of the decision (`Step`) the count, its rate and its error."""


def rate_and_error(count: int, seconds: float) -> tuple[float, float]:
    """Rate in Hz and its statistical error from a count in simulated seconds; the error of 0 is that of 1."""
    return (count / seconds, float(np.sqrt(max(count, 1))) / seconds) if seconds > 0 else (0.0, 0.0)


def rate_table(
    menu: Menu, counts: Counts, factors: NDArray[np.int64], not_evaluated: Mapping[str, str], colliding_bunches: int
) -> pa.Table:
    """One row an algorithm, in order of index; counts and rates of algorithms not evaluated are null.

    Args:
        menu: whose algorithms they are.
        counts: of the whole run.
        factors: prescale factors at the end of the run, `(512,) int64`.
        not_evaluated: algorithm name → why.
        colliding_bunches: crossings an orbit.
    """
    seconds = simulated_seconds(counts.crossings, colliding_bunches)
    rows = []
    for algorithm in menu.algorithms:
        evaluated = algorithm.name not in not_evaluated
        row: dict[str, object] = {
            "index": algorithm.index,
            "algorithm": algorithm.name,
            "evaluated": evaluated,
            "prescale": factors[algorithm.index] / INCREMENT,
        }
        if evaluated:
            for step, by_algorithm in zip(STEPS, counts.by_step, strict=True):
                count = int(by_algorithm[algorithm.index])
                rate_hz, error_hz = rate_and_error(count, seconds)
                row |= {step: count, f"{step}_hz": rate_hz, f"{step}_error_hz": error_hz}
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=RATE_SCHEMA)
