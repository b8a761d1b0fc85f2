"""Prescale tables as CMS publishes them, and the hardware's counting rule (`docs/decision.md`, section "Prescales").

A factor is `round(100 × prescale)`. For each trigger of an algorithm its counter grows by 100; when it reaches the
factor the trigger passes and the factor is taken off. Counters start at zero, so prescale N passes triggers N, 2N, 3N …
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triggers.errors import BadValue, FileMissing, FileUnreadable, UnknownName
from triggers.events.schema import ALGORITHM_SLOTS
from triggers.menu.model import Algorithm

INCREMENT: Final = 100
"""What one trigger adds to its counter: prescales have two decimals."""
MAX_FACTOR: Final = 2**32 - 1
_FIRST_COLUMNS: Final = ("Index", "Name")


@dataclass(frozen=True)
class PrescaleTable:
    """Prescale factors by column name and algorithm name.

    Attributes:
        source: the file it was read from.
        columns: column name → algorithm name → factor (100 × prescale; 0 is off).
    """

    source: str
    columns: Mapping[str, Mapping[str, int]]

    def lacking(self, algorithms: Iterable[Algorithm]) -> tuple[Algorithm, ...]:
        """The algorithms that have no row."""
        known = next(iter(self.columns.values()))
        return tuple(algorithm for algorithm in algorithms if algorithm.name not in known)

    def factors(self, column: str, algorithms: Iterable[Algorithm]) -> NDArray[np.int64]:
        """The factors of one column by algorithm index, `(512,) int64`; unused indices are 0.

        Raises:
            UnknownName: no such column.
            BadValue: the table lacks an algorithm of the menu.
        """
        if column not in self.columns:
            raise UnknownName(self.source, "prescale column", column, self.columns)
        chosen = self.columns[column]
        by_index = np.zeros(ALGORITHM_SLOTS, np.int64)
        for algorithm in algorithms:
            if algorithm.name not in chosen:
                raise BadValue(
                    self.source,
                    f"has no row for algorithm '{algorithm.name}'",
                    "add the row, or use the menu's own table",
                )
            by_index[algorithm.index] = chosen[algorithm.name]
        return by_index


def unprescaled(algorithms: Iterable[Algorithm]) -> NDArray[np.int64]:
    """Factors that let every trigger of the given algorithms pass, `(512,) int64`."""
    by_index = np.zeros(ALGORITHM_SLOTS, np.int64)
    by_index[[algorithm.index for algorithm in algorithms]] = INCREMENT
    return by_index


def read_prescales(path: Path) -> PrescaleTable:
    """Read a CSV table: header `Index,Name,COLUMN…`, one row per algorithm; a byte-order mark and CR LF are allowed.

    Raises:
        FileMissing, FileUnreadable: no such file, or not such a table.
        BadValue: a prescale that is not 0 or at least 1 with up to two decimals, or an algorithm listed twice.
    """
    try:
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    except FileNotFoundError:
        raise FileMissing(path, "prescale table") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileUnreadable(path, f"is not a CSV table ({error})") from error
    header = rows[0] if rows else []
    if tuple(header[:2]) != _FIRST_COLUMNS or len(header) == len(_FIRST_COLUMNS):
        raise FileUnreadable(path, "has no header 'Index,Name,COLUMN…'", "write the header line of a prescale table")
    columns: dict[str, dict[str, int]] = {name: {} for name in header[2:]}
    for line, row in enumerate(rows[1:], start=2):
        if row:
            _add_row(columns, header, row, f"{path}, line {line}")
    return PrescaleTable(str(path), columns)


def _add_row(columns: dict[str, dict[str, int]], header: list[str], row: list[str], where: str) -> None:
    if len(row) != len(header):
        raise BadValue(where, f"{len(row)} values, expected {len(header)}", "give every column a value")
    algorithm = row[1]
    for name, text in zip(header[2:], row[2:], strict=True):
        if algorithm in columns[name]:
            raise BadValue(where, f"algorithm '{algorithm}' stands twice", "keep one of the rows")
        columns[name][algorithm] = factor_of(text, f"{where}, column '{name}'")


def factor_of(text: str, where: str) -> int:
    """The factor of a prescale written as text: `2.5` → 250.

    Raises:
        BadValue: not a number, negative, between 0 and 1, or too large for the hardware's 32 bits.
    """
    try:
        prescale = Decimal(text)
        factor = int((prescale * INCREMENT).to_integral_value(ROUND_HALF_UP))
    except (InvalidOperation, OverflowError, ValueError):
        raise BadValue(where, f"'{text}' is not a prescale", "write 0 (off) or a number from 1") from None
    if factor and not INCREMENT <= factor <= MAX_FACTOR:
        raise BadValue(where, f"prescale {text} is out of range", "write 0 (off) or a number from 1 to 42949672")
    return factor
