"""A damaged file, told in one sentence whatever a library raises on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import pyarrow as pa

from triggers.errors import FileMissing, FileUnreadable, L1ChainError

ErrorClasses = tuple[type[Exception], ...]
_Item = TypeVar("_Item")

ARROW_ERRORS: Final[ErrorClasses] = (
    pa.ArrowException,
    OSError,
    ValueError,
    TypeError,
    MemoryError,
    OverflowError,
)
"""What Arrow raises on damaged bytes."""
ANY_ERROR: Final[ErrorClasses] = (Exception,)
"""What uproot and h5py raise on damaged bytes: errors of any class."""


@contextmanager
def damage_told(path: Path, format_name: str, raised: ErrorClasses = ANY_ERROR) -> Iterator[None]:
    """Turns what a library raises on a damaged file into one sentence.

    Raises:
        FileMissing: the file is not there (any more).
        FileUnreadable: it is damaged, of another kind, or may not be read.
    """
    try:
        yield
    except L1ChainError:
        raise
    except FileNotFoundError:
        raise FileMissing(path, "event file") from None
    except raised as error:
        reason = str(error).strip().split("\n", 1)[0].rstrip(".:") or type(error).__name__
        raise FileUnreadable(path, f"is no readable {format_name} file ({reason})") from error


def told_as_damage(
    path: Path, format_name: str, items: Iterator[_Item], raised: ErrorClasses = ANY_ERROR
) -> Iterator[_Item]:
    """The same items; only what goes wrong in getting them is told as the file's damage, not what is done with them."""
    while True:
        with damage_told(path, format_name, raised):
            item = next(items, None)
        if item is None:
            return
        yield item
