"""Several samples replayed one after the other, each with its own run, lumi section and orbit numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from triggers.errors import BadValue
from triggers.events.open import event_files, open_source
from triggers.events.source import Source, SourceInfo


class Samples:
    """Event files as one source, in the order given; unlike a run, times may start again with each file.

    Attributes:
        files: the files.

    Raises:
        L1ChainError: a file is missing, damaged or of another kind, or has other columns than the first.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self.files = tuple(event_files(paths))
        self._sources: list[Source] = [open_source([file]) for file in self.files]
        infos = [source.info for source in self._sources]
        for info in infos[1:]:
            differing = set(info.optional_columns) ^ set(infos[0].optional_columns)
            if differing:
                what = f"has other columns than {infos[0].name}: they differ in {', '.join(sorted(differing))}"
                raise BadValue(info.name, what, "replay them apart, or convert one with `l1chain events convert`")
        counts = [info.n_crossings for info in infos]
        known = [n for n in counts if n is not None]
        self.info = SourceInfo(
            ", ".join(info.name for info in infos),
            sum(known) if len(known) == len(counts) else None,
            infos[0].optional_columns,
            tuple(dict.fromkeys(sentence for info in infos for sentence in info.missing)),
            tuple(dict.fromkeys(part for info in infos for part in info.lacking)),
        )

    def batches(self, n_rows: int) -> Iterator[pa.RecordBatch]:
        """One pass, in batches of at most `n_rows` rows."""
        for source in self._sources:
            yield from source.batches(n_rows)
