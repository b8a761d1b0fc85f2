"""Crossing masks: algorithms suppressed in parts of the orbit (`docs/decision.md`, section "Crossing masks").

A mask is one bit for each slot of the orbit and algorithm; what is masked counts neither for the prescale nor later.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triggers.decision.budgets import algorithm_words, member_indices
from triggers.errors import BadValue, FileMissing, FileUnreadable
from triggers.events.schema import ALGORITHM_WORDS, SLOTS_PER_ORBIT
from triggers.menu.model import Menu

FIRST_CALIBRATION_BX: Final = 3480
LAST_CALIBRATION_BX: Final = 3505
"""The slots kept free of physics triggers for the calibration trigger (at BX 3490)."""
_HEADER: Final = ("algorithm", "first_bx", "last_bx")


def crossing_masks(path: Path | None, calibration_gap: bool, menu: Menu) -> NDArray[np.uint64] | None:
    """The masks of a table, if there is one, and of the calibration gap, `(3564, 8) uint64`; None if nothing is masked.

    Raises:
        L1ChainError: as `read_crossing_masks`.
    """
    masks = read_crossing_masks(path, menu) if path else no_masks()
    masks = with_calibration_gap(masks) if calibration_gap else masks
    return masks if masks.any() else None


def no_masks() -> NDArray[np.uint64]:
    """Masks that suppress nothing, `(3564, 8) uint64`; a set bit suppresses its algorithm in that slot."""
    return np.zeros((SLOTS_PER_ORBIT, ALGORITHM_WORDS), np.uint64)


def with_calibration_gap(masks: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The masks, and every algorithm suppressed from BX 3480 to 3505, `(3564, 8) uint64`."""
    masked = masks.copy()
    masked[FIRST_CALIBRATION_BX : LAST_CALIBRATION_BX + 1] = ~np.uint64(0)
    return masked


def read_crossing_masks(path: Path, menu: Menu) -> NDArray[np.uint64]:
    """Read a CSV table `algorithm,first_bx,last_bx`: algorithms or groups, and the slots in which they are suppressed.

    Returns:
        `(3564, 8) uint64`; a set bit suppresses its algorithm in that slot.

    Raises:
        FileMissing, FileUnreadable: no such file, or not such a table.
        UnknownName: neither an algorithm nor a group of the menu.
        BadValue: a range that is not within the orbit.
    """
    try:
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    except FileNotFoundError:
        raise FileMissing(path, "crossing masks") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileUnreadable(path, f"is not a CSV table ({error})") from error
    header = ",".join(_HEADER)
    if not rows or tuple(rows[0]) != _HEADER:
        raise FileUnreadable(path, f"has no header '{header}'", "write the header line of crossing masks")
    masks = no_masks()
    for line, row in enumerate(rows[1:], start=2):
        if row:
            where = f"{path}, line {line}"
            if len(row) != len(_HEADER):
                raise BadValue(where, f"{len(row)} values, expected {len(_HEADER)}", f"write {header}")
            first, last = _range(row[1], row[2], where)
            masks[first : last + 1] |= algorithm_words(member_indices(where, [row[0]], menu))
    return masks


def _range(first: str, last: str, where: str) -> tuple[int, int]:
    if first.isdecimal() and last.isdecimal() and int(first) <= int(last) < SLOTS_PER_ORBIT:
        return int(first), int(last)
    raise BadValue(where, f"'{first}' to '{last}' is no range of slots", "write first and last from 0 to 3563")
