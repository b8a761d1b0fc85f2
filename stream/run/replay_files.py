"""What a replay writes: tables, crossings that only one menu keeps, the summary (`docs/replay.md`, section "Files")."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from stream.run.evaluation import WholeCrossings
from triggers.errors import FileExists, FileUnreadable
from triggers.events.show import crossing_record
from triggers.menu.model import Menu
from triggers.studies.changes import changes_table, difference, processes_table
from triggers.studies.compare import OnlyOne
from triggers.studies.entities import ACCEPT, FINAL_OR
from triggers.studies.report import html_report
from triggers.studies.result import Example, MenuResult, ReplayResult
from triggers.studies.tables import (
    curve_table,
    l1menutools_table,
    lumi_section_table,
    overlap_table,
    pileup_table,
    rates_table,
)

MAX_WRITTEN: Final = 10_000
_EXAMPLES: Final = 5


class ExclusiveWriter:
    """Writes the first crossings that only one menu keeps, with all their columns, and keeps some as examples.

    Attributes:
        label: the menu that keeps them.
        n_crossings: how many there were.
        n_written: how many are in the file.
        examples: the first few.
    """

    def __init__(self, path: Path, label: str, menu: Menu) -> None:
        self.label = label
        self.n_crossings = self.n_written = 0
        self.examples: list[Example] = []
        self._path = path
        self._names = {algorithm.index: algorithm.name for algorithm in menu.algorithms}
        self._writer: pq.ParquetWriter | None = None

    def add(self, whole: WholeCrossings, first: int, only: OnlyOne) -> None:
        """Add crossings; the first one of `whole` has the number `first` in the replay."""
        self.n_crossings += len(only.rows)
        room = MAX_WRITTEN - self.n_written
        if not room or not len(only.rows):
            return
        rows, words = only.rows[:room], only.words[:room]
        events = whole.events(rows)
        bits = np.unpackbits(np.ascontiguousarray(words).astype("<u8").view(np.uint8), axis=1, bitorder="little")
        kept_by = [[self._names[index] for index in np.flatnonzero(row).tolist()] for row in bits]
        for place in range(min(len(rows), _EXAMPLES - len(self.examples))):
            record = crossing_record(events, place)
            number = first + int(rows[place])
            self.examples.append(Example(self.label, number, tuple(kept_by[place]), record))
        crossing = pa.array(first + rows.astype(np.uint64), pa.uint64())
        batch = events.append_column(pa.field("crossing", pa.uint64()), crossing)
        names = pa.array(kept_by, pa.list_(pa.string()))
        batch = batch.append_column(pa.field("kept_by", names.type), names)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, batch.schema)
        self._writer.write_batch(batch)
        self.n_written += len(rows)

    def close(self) -> None:
        """End the file."""
        if self._writer is not None:
            self._writer.close()


@contextmanager
def output_folder(out: Path) -> Iterator[Path]:
    """A folder to write into, which becomes `out` when everything is in it.

    Raises:
        FileExists: `out` is there and not empty.
        FileUnreadable: the folder cannot be made.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExists(out)
    part = out.absolute().parent / f".{out.name}.part"
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
    except OSError as error:
        raise FileUnreadable(part, f"cannot be made ({error.strerror})", "name another output folder") from error
    try:
        yield part
        if out.exists():
            out.rmdir()
        part.replace(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_replay(result: ReplayResult, folder: Path) -> None:
    """Write all tables, the summary and the report."""
    _write("rates", rates_table(result), folder)
    _write("overlap", overlap_table(result), folder)
    _write("by-lumi-section", lumi_section_table(result), folder)
    if result.mean_pileup is not None:
        _write("by-pileup", pileup_table(result), folder)
    if any(part.curve for part in result.menus):
        _write("curve", curve_table(result), folder)
    if result.comparison is not None:
        _write("changes", changes_table(result), folder)
        if result.processes:
            _write("processes", processes_table(result), folder)
    for part in result.menus:
        pa.csv.write_csv(l1menutools_table(result, part), folder / f"l1menutools-{part.label.lower()}.csv")
    text = json.dumps(summary_of(result), indent=1, ensure_ascii=False)
    (folder / "replay.json").write_text(text + "\n", encoding="utf-8")
    (folder / "report.html").write_text(html_report(result), encoding="utf-8")


def _write(name: str, table: pa.Table, folder: Path) -> None:
    pq.write_table(table, folder / f"{name}.parquet")
    pa.csv.write_csv(table, folder / f"{name}.csv")


def summary_of(result: ReplayResult) -> dict[str, Any]:
    """The main numbers of a replay, ready for JSON."""
    found: dict[str, Any] = {
        "source": result.source,
        "missing": list(result.missing),
        "selection": result.selection,
        "crossings": result.n_crossings,
        "lumi_sections": len(result.lumi_sections),
        "mean_pileup": result.mean_pileup,
        "normalisation": list(result.normalisation.sentences),
        "hz_per_weight": result.normalisation.hz_per_weight,
        "menus": [_menu_summary(result, part) for part in result.menus],
    }
    if result.comparison is not None:
        changed = [row for row in changes_table(result).to_pylist() if row["status"] != "same"]
        found["difference"] = asdict(difference(result))
        found["changed_algorithms"] = {row["name"]: row["status"] for row in changed}
        found["kept_only"] = {
            label: {"crossings": n, "written": written} for label, (n, written) in result.kept_only.items()
        }
    return {**found, "seconds": result.seconds}


def _menu_summary(result: ReplayResult, part: MenuResult) -> dict[str, Any]:
    rates, errors = result.rates(*part.study.final.total)
    counts = part.study.counts
    return {
        "label": part.label,
        "path": part.menu.source,
        "name": part.menu.name,
        "digest": part.menu.digest,
        "algorithms": len(part.menu.algorithms),
        "not_evaluated": dict(part.not_evaluated),
        "scores": dict(part.scores),
        "prescales": part.prescales,
        "without_prescale": list(part.without_prescale),
        "total_hz": float(rates[FINAL_OR]),
        "total_error_hz": float(errors[FINAL_OR]),
        "accept_hz": float(rates[ACCEPT]),
        "accept_error_hz": float(errors[ACCEPT]),
        "final_or": counts.final_or,
        "accepted": counts.accepted,
        "dead_time": counts.dead_time,
        "blocked": {str(rule): int(n) for rule, n in zip(part.study.settings.rules, counts.blocked, strict=False)},
    }
