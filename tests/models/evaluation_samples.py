"""Samples for tests of evaluation: synthetic zero bias, and a signal made of it by shifting spectra."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triggers.events.crossings import column_array, column_view
from triggers.events.packing import JET
from triggers.events.source import Source, SourceInfo
from triggers.events.synthetic import SyntheticSource


@dataclass(frozen=True)
class Shifted:
    """Crossings whose jets are harder by a factor; extra columns are functions of the crossings' numbers."""

    source: Source
    factor: float = 3.0
    columns: dict[str, NDArray[np.generic]] = field(default_factory=dict)

    @property
    def info(self) -> SourceInfo:
        return replace(self.source.info, name=f"{self.source.info.name}, jets × {self.factor:g}")

    def batches(self, n_rows: int) -> Iterator[pa.RecordBatch]:
        first = 0
        for batch in self.source.batches(n_rows):
            rows = slice(first, first + batch.num_rows)
            jets = column_view(batch.column("jet"))
            energy = np.minimum(JET["et"].get(jets) * self.factor, JET["et"].mask).astype(np.uint32)
            shifted = np.where(jets > 0, jets & ~np.uint32(JET["et"].mask << JET["et"].shift) | energy, 0)
            values = {"jet": shifted.astype(np.uint32), **{k: v[rows] for k, v in self.columns.items()}}
            for name, column in values.items():
                array = column_array(name, column)
                place = batch.schema.get_field_index(name)
                if place < 0:
                    batch = batch.append_column(name, array)
                else:
                    batch = batch.set_column(place, batch.schema.field(place), array)
            yield batch
            first += batch.num_rows


def background(n: int = 40_000, **columns: NDArray[np.generic]) -> Source:
    return Shifted(SyntheticSource(n, seed=11), 1.0, columns) if columns else SyntheticSource(n, seed=11)


def signal(n: int = 4_000, factor: float = 3.0, **columns: NDArray[np.generic]) -> Source:
    return Shifted(SyntheticSource(n, seed=12), factor, columns)
