"""Filling schemes: which of the orbit's 3564 slots hold colliding bunches (`docs/decision.md`, section "Slots").

A source of unrelated crossings stands for the beam: crossing k of a lumi section is in orbit k // n, in the colliding
bunch k mod n of the scheme.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triggers.errors import BadValue, FileMissing, FileUnreadable
from triggers.events.schema import SLOTS_PER_ORBIT

BUNCHES_PER_TRAIN: Final = 48
TRAINS_PER_INJECTION: Final = 3
GAP_BETWEEN_TRAINS: Final = 7
"""Empty slots between trains of one injection (rise time of the SPS injection kicker)."""
GAP_BETWEEN_INJECTIONS: Final = 31
"""Empty slots between injections (rise time of the LHC injection kicker)."""
ABORT_GAP: Final = 120
"""Empty slots at the end of the orbit, at the least."""


@dataclass(frozen=True, eq=False)
class FillingScheme:
    """The slots of the colliding bunches.

    Attributes:
        name: where it comes from, for people.
        slots: ascending, `(n,) int64`, each from 0 to 3563.
    """

    name: str
    slots: NDArray[np.int64]

    @property
    def colliding_bunches(self) -> int:
        """How many there are."""
        return len(self.slots)


@cache
def train_filling(colliding_bunches: int) -> FillingScheme:
    """A scheme of that many bunches in trains as the LHC fills them: 3 × 48 bunches an injection, from slot 0 on.

    More bunches than such trains hold before the abort gap (2634) stand without gaps.

    Raises:
        BadValue: more bunches than the orbit has slots, or none.
    """
    if not 1 <= colliding_bunches <= SLOTS_PER_ORBIT:
        raise BadValue("filling scheme", f"{colliding_bunches} colliding bunches", f"give 1 to {SLOTS_PER_ORBIT}")
    slots = _train_slots()
    if colliding_bunches > len(slots):
        slots = np.arange(SLOTS_PER_ORBIT, dtype=np.int64)
    return FillingScheme(f"trains of {BUNCHES_PER_TRAIN}", _read_only(slots[:colliding_bunches]))


def _train_slots() -> NDArray[np.int64]:
    """Every slot that trains can fill, ascending."""
    slots: list[int] = []
    begin, train = 0, 0
    while begin < SLOTS_PER_ORBIT - ABORT_GAP:
        slots += range(begin, min(begin + BUNCHES_PER_TRAIN, SLOTS_PER_ORBIT - ABORT_GAP))
        train += 1
        gap = GAP_BETWEEN_TRAINS if train % TRAINS_PER_INJECTION else GAP_BETWEEN_INJECTIONS
        begin += BUNCHES_PER_TRAIN + gap
    return np.array(slots, np.int64)


def read_filling(path: Path) -> FillingScheme:
    """Read a scheme: the slots of the colliding bunches, separated by blanks, commas or lines; `#` begins a comment.

    Raises:
        FileMissing, FileUnreadable: no such file, or it is not text.
        BadValue: a slot is no number from 0 to 3563, stands twice, or there is none.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise FileMissing(path, "filling scheme") from None
    except (OSError, UnicodeDecodeError) as error:
        raise FileUnreadable(path, f"is not a text file ({error})", "name a list of slots") from error
    slots: set[int] = set()
    for number, line in enumerate(lines, start=1):
        for text in line.partition("#")[0].replace(",", " ").split():
            slot = int(text) if text.isdecimal() else SLOTS_PER_ORBIT
            where = f"{path}, line {number}"
            if slot >= SLOTS_PER_ORBIT:
                raise BadValue(where, f"'{text}' is not a slot", f"write numbers from 0 to {SLOTS_PER_ORBIT - 1}")
            if slot in slots:
                raise BadValue(where, f"slot {slot} stands twice", "keep one of them")
            slots.add(slot)
    if not slots:
        raise BadValue(path, "has no slot", "write the slots of the colliding bunches")
    return FillingScheme(str(path), _read_only(np.array(sorted(slots), np.int64)))


def _read_only(slots: NDArray[np.int64]) -> NDArray[np.int64]:
    slots.flags.writeable = False
    return slots
