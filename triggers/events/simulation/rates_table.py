"""Measured L1 rates: the table that simulated crossings are compared with (`docs/simulation.md`, "Measured rates")."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from triggers.errors import BadValue, FileMissing, FileUnreadable, SchemaMismatch

COLUMNS: Final = ("algorithm", "pileup_mean", "n_zero_bias", "n_fired")


@dataclass(frozen=True)
class MeasuredRate:
    """How often an algorithm fired in zero-bias crossings of one pile-up.

    Attributes:
        algorithm: its name.
        pileup: mean of the bin.
        n_zero_bias: crossings looked at.
        n_fired: those in which it fired.
    """

    algorithm: str
    pileup: float
    n_zero_bias: int
    n_fired: int


def read_rates(path: Path) -> tuple[MeasuredRate, ...]:
    """Read a table of measured rates (CSV with at least the columns of `COLUMNS`).

    Raises:
        FileMissing, FileUnreadable: no such file, or it is not text.
        SchemaMismatch: a column is missing.
        BadValue: a value is no number, or more crossings fired than there are.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise FileMissing(path, "table of rates") from None
    except (OSError, UnicodeDecodeError) as error:
        raise FileUnreadable(path, f"is not a text file ({error})", "name a CSV file") from error
    reader = csv.DictReader(text.splitlines())
    for name in COLUMNS:
        if name not in (reader.fieldnames or ()):
            raise SchemaMismatch(path, name, "missing", "a column of the table")
    rates = tuple(_rate(path, reader.line_num, row) for row in reader)
    if not rates:
        raise BadValue(path, "has no rates", "name a table with at least one row")
    return rates


def _rate(path: Path, line: int, row: dict[str, str]) -> MeasuredRate:
    try:
        values = float(row["pileup_mean"]), int(row["n_zero_bias"]), int(row["n_fired"])
    except (TypeError, ValueError):
        raise BadValue(f"{path}, line {line}", "a value is not a number", "correct the line") from None
    rate = MeasuredRate(row["algorithm"], *values)
    if not (rate.n_zero_bias > 0 and 0 <= rate.n_fired <= rate.n_zero_bias):
        what = f"{rate.n_fired} of {rate.n_zero_bias} crossings fired"
        raise BadValue(f"{path}, line {line}", what, "correct the line")
    return rate


def pooled(rates: Iterable[MeasuredRate], bins: Iterable[float]) -> dict[str, MeasuredRate]:
    """The rates of some pile-up bins together, by algorithm; `pileup` is the mean over the crossings."""
    wanted = set(bins)
    sums: dict[str, tuple[int, int, float]] = {}
    for rate in rates:
        if rate.pileup in wanted:
            fired, total, moment = sums.get(rate.algorithm, (0, 0, 0.0))
            total += rate.n_zero_bias
            sums[rate.algorithm] = fired + rate.n_fired, total, moment + rate.pileup * rate.n_zero_bias
    return {name: MeasuredRate(name, moment / total, total, fired) for name, (fired, total, moment) in sums.items()}
