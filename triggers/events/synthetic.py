"""Synthetic zero-bias crossings from a seed: as many as wanted, the same on every pass, 10 million a second and core.

Rates of seeds and numbers of objects are near those that CMS measures (`synthetic_spectra.py`); no process is
simulated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triggers.errors import BadValue
from triggers.events import schema
from triggers.events.crossings import batch_of
from triggers.events.lacking import NEIGHBOURS
from triggers.events.source import SourceInfo
from triggers.events.synthetic_tables import MAX_PILEUP, tables

OPTIONAL_COLUMNS: Final = ("pileup",)
MAX_CROSSINGS: Final = schema.SLOTS_PER_ORBIT // 3 * (2**32 - 1)
"""Crossings that have an orbit number, a third of an orbit's slots each."""
_ALIGNMENT: Final = 64
_NUMPY_TYPES: Final = {
    pa.uint16(): np.uint16,
    pa.uint32(): np.uint32,
    pa.uint64(): np.uint64,
    pa.float32(): np.float32,
}
_MISSING: Final = (
    "Crossings are unrelated and at least 3 slots apart: conditions on neighbouring crossings see nothing.",
    "CICADA scores, calorimeter regions, muon showers and zero-degree calorimeters are zero.",
)
_LACKING: Final = (
    *(NEIGHBOURS, "muon.shower", "sums.zdcp", "sums.zdcm"),
    *("sums.cicada_0", "sums.cicada_1", "sums.cicada_2", "sums.cicada_3"),
)
_WHERE: Final = "synthetic source"


def _row_type(kind: pa.DataType) -> np.dtype[Any]:
    """What one row of a column is in NumPy."""
    if pa.types.is_fixed_size_list(kind):
        return np.dtype((_NUMPY_TYPES[kind.value_type], (kind.list_size,)))
    return np.dtype(_NUMPY_TYPES[kind])


_ROW_TYPES: Final = {field.name: _row_type(field.type) for field in schema.schema_with(OPTIONAL_COLUMNS)}


@dataclass(frozen=True)
class SyntheticSource:
    """Zero-bias-like crossings of colliding bunches; keeps `triggers.events.source.Source`.

    Crossing i depends on seed, pile-up and i alone, so batches of any size, from anywhere, have the same content. The
    column `pileup` is the number of interactions of each crossing, Poisson distributed. Run and lumi section are 1,
    `event` is i.

    Example:
        >>> source = SyntheticSource(n_crossings=3, seed=7)
        >>> [batch.num_rows for batch in source.batches(2)]
        [2, 1]

    Attributes:
        n_crossings: of one pass.
        seed: any number from 0 to 2^64 − 1.
        pileup: mean number of interactions, 0 to 300.
        first: index of the first crossing.

    Raises:
        BadValue: a setting is out of range.
    """

    n_crossings: int
    seed: int = 1
    pileup: float = 60.0
    first: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**64:
            raise BadValue(_WHERE, f"seed {self.seed}", f"give a whole number from 0 to {2**64 - 1}")
        if not 0 <= self.pileup <= MAX_PILEUP:
            raise BadValue(_WHERE, f"pile-up {self.pileup}", f"give a number from 0 to {MAX_PILEUP:g}")
        if self.n_crossings < 0 or self.first < 0 or self.first + self.n_crossings > MAX_CROSSINGS:
            what = f"crossings {self.first} to {self.first + self.n_crossings}"
            raise BadValue(_WHERE, what, f"stay between 0 and {MAX_CROSSINGS}")

    @property
    def info(self) -> SourceInfo:
        """What is known before reading."""
        name = f"synthetic zero bias, seed {self.seed}, pile-up {self.pileup:g}"
        return SourceInfo(name, self.n_crossings, OPTIONAL_COLUMNS, _MISSING, _LACKING)

    def batches(self, n_rows: int) -> Iterator[pa.RecordBatch]:
        """One pass, in batches of `n_rows` rows, the last one perhaps shorter; at least one batch, which may be empty.

        Raises:
            BadValue: `n_rows` is not positive.
        """
        if n_rows < 1:
            raise BadValue(_WHERE, f"batches of {n_rows} rows", "give at least 1")
        for start in range(0, max(self.n_crossings, 1), n_rows):
            columns = allocate(min(n_rows, self.n_crossings - start))
            self.fill(columns, self.first + start)
            yield batch_of(columns)

    def fill(self, columns: Mapping[str, NDArray[Any]], first: int) -> None:
        """Write the crossings with index `first`, `first + 1`, … into all rows of the columns; holds no lock (GIL).

        Args:
            columns: as `allocate` makes them: all required columns and `pileup`, C-contiguous, of equal length.
            first: index of the first crossing; `n_crossings` does not limit it.
        """
        from triggers.events import synthetic_kernel, synthetic_random

        synthetic_kernel.fill(
            first,
            np.uint64(synthetic_random.mix(np.uint64(self.seed))),
            _tables(self.pileup),
            np.zeros(1, np.uint64),
            np.zeros(3),
            *(columns[field.name] for field in schema.schema_with(OPTIONAL_COLUMNS)),
        )


def allocate(n_rows: int) -> dict[str, NDArray[Any]]:
    """Arrays for `n_rows` crossings, not initialised, by column: all required columns and `pileup`.

    They lie in one block of memory: the allocator keeps one large freed block for the next batch, but gives many small
    ones back to the system, and getting new pages would cost nearly as much as the crossings.
    """
    sizes = [-(-n_rows * kind.itemsize // _ALIGNMENT) * _ALIGNMENT for kind in _ROW_TYPES.values()]
    block = np.empty(sum(sizes), np.uint8)
    starts = np.cumsum([0, *sizes[:-1]])
    return {
        name: np.ndarray((n_rows, *kind.shape), kind.base, block, int(start))
        for (name, kind), start in zip(_ROW_TYPES.items(), starts, strict=True)
    }


@lru_cache(maxsize=8)
def _tables(pileup: float) -> np.void:
    return tables(pileup)
