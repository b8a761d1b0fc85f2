"""Which crossings of a source a study takes: good runs, lumi sections, pile-up (`docs/replay.md`, "Selection")."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triggers.errors import BadValue, FileMissing, FileUnreadable
from triggers.events.crossings import column_view
from triggers.events.schema import MAX_BX_OFFSET

Ranges = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Selection:
    """What a crossing must satisfy; None asks nothing.

    Attributes:
        good_runs: good lumi sections by run, as ranges with their ends.
        lumi_sections: ranges of lumi sections with their ends.
        pileup: lowest and highest pile-up.
    """

    good_runs: Mapping[int, Ranges] | None = None
    lumi_sections: Ranges | None = None
    pileup: tuple[float, float] | None = None

    @property
    def selects(self) -> bool:
        """Whether it asks anything."""
        return any(part is not None for part in (self.good_runs, self.lumi_sections, self.pileup))

    @property
    def text(self) -> str:
        """What it asks, in words."""
        parts = []
        if self.good_runs is not None:
            n_runs = len(self.good_runs)
            parts.append(f"good lumi sections of {n_runs} run{'' if n_runs == 1 else 's'}")
        if self.lumi_sections is not None:
            parts.append("lumi sections " + ", ".join(f"{low:g} to {high:g}" for low, high in self.lumi_sections))
        if self.pileup is not None:
            parts.append(f"pile-up {self.pileup[0]:g} to {self.pileup[1]:g}")
        return "; ".join(parts) or "all crossings"

    def keep(self, batch: pa.RecordBatch) -> NDArray[np.bool_]:
        """Which rows it takes, `(n,)`."""
        lumi_section = column_view(batch.column("lumi_section"))
        kept = np.ones(batch.num_rows, np.bool_)
        if self.lumi_sections is not None:
            kept &= _within(lumi_section, self.lumi_sections)
        if self.good_runs is not None:
            runs = column_view(batch.column("run"))
            good = np.zeros(batch.num_rows, np.bool_)
            for run in np.unique(runs).tolist():
                good |= (runs == run) & _within(lumi_section, self.good_runs.get(run, ()))
            kept &= good
        if self.pileup is not None:
            kept &= _within(column_view(batch.column("pileup")), (self.pileup,))
        return kept

    def batches(self, batches: Iterator[pa.RecordBatch], neighbours: bool) -> Iterator[pa.RecordBatch]:
        """The rows taken; with `neighbours`, rows within two places of them stay as context."""
        for batch in batches:
            if not self.selects:
                yield batch
                continue
            kept = self.keep(batch)
            if neighbours:
                yield _with_context(batch, kept)
            elif kept.any():
                yield batch.filter(pa.array(kept))


def _within(values: NDArray[Any], ranges: Ranges) -> NDArray[np.bool_]:
    inside = np.zeros(len(values), np.bool_)
    for low, high in ranges:
        inside |= np.asarray((values >= low) & (values <= high))
    return inside


def _with_context(batch: pa.RecordBatch, kept: NDArray[np.bool_]) -> pa.RecordBatch:
    """The rows taken and those near them or near the batch's ends, the latter as context."""
    near = kept.copy()
    for offset in range(1, MAX_BX_OFFSET + 1):
        near[offset:] |= kept[:-offset]
        near[:-offset] |= kept[offset:]
        near[:offset] = near[-offset:] = True
    context = ~kept
    if "context" in batch.schema.names:
        context |= batch.column("context").to_numpy(zero_copy_only=False)
        batch = batch.drop_columns(["context"])
    field = pa.field("context", pa.bool_(), nullable=False)
    return batch.append_column(field, pa.array(context)).filter(pa.array(near))


def read_good_runs(path: Path) -> dict[int, Ranges]:
    """Read a good-run list as CMS certifies them: `{"RUN": [[first, last], …], …}`.

    Raises:
        FileMissing, FileUnreadable: no such file, or it has another form.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        return {int(run): tuple((int(a), int(b)) for a, b in ranges) for run, ranges in content.items()}
    except FileNotFoundError:
        raise FileMissing(path, "good-run list") from None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        remedy = 'write {"RUN": [[first, last], …], …}'
        raise FileUnreadable(path, f"is not a good-run list ({error})", remedy) from error


def parse_ranges(option: str, text: str) -> Ranges:
    """Ranges such as `10-20,35`, ends included.

    Raises:
        BadValue: it has another form.
    """
    ranges = []
    for part in text.split(","):
        low, dash, high = part.strip().partition("-")
        try:
            limits = float(low), float(high if dash else low)
        except ValueError:
            raise BadValue(option, f"'{part}' is no range", "write for example 10-20,35") from None
        if not limits[0] <= limits[1]:
            raise BadValue(option, f"the range '{part}' is empty", "write the lower end first")
        ranges.append(limits)
    return tuple(ranges)
