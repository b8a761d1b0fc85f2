"""The formats that crossings come in, and how a file tells which one it is (`docs/formats.md`)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

from triggers.errors import FileMissing, FileUnreadable, UnknownName


class SourceFormat(StrEnum):
    """Where crossings come from."""

    TEST_VECTOR = "test_vector"
    PARQUET = "parquet"
    ARROW = "arrow"
    OPEN_DATA = "open_data"
    L1_NTUPLE = "l1_ntuple"
    L1_NTUPLE_EMULATED = "l1_ntuple_emulated"
    NANOAOD = "nanoaod"
    ADC2021 = "adc2021"
    SYNTHETIC = "synthetic"


SUFFIXES: Final = {
    ".txt": SourceFormat.TEST_VECTOR,
    ".txt.gz": SourceFormat.TEST_VECTOR,
    ".txt.xz": SourceFormat.TEST_VECTOR,
    ".parquet": SourceFormat.PARQUET,
    ".arrow": SourceFormat.ARROW,
    ".arrows": SourceFormat.ARROW,
    ".ipc": SourceFormat.ARROW,
    ".feather": SourceFormat.ARROW,
    ".root": SourceFormat.L1_NTUPLE,
    ".h5": SourceFormat.ADC2021,
    ".hdf5": SourceFormat.ADC2021,
}
"""The format that the end of a file's name stands for; a look inside may refine it (`open.py`)."""

ARROW_FILE_MAGIC: Final = b"ARROW1"
ARROW_STREAM_MAGIC: Final = b"\xff\xff\xff\xff"
_NAMED_FILES: Final = 3
_MAGICS: Final = {
    b"PAR1": SourceFormat.PARQUET,
    ARROW_FILE_MAGIC: SourceFormat.ARROW,
    ARROW_STREAM_MAGIC: SourceFormat.ARROW,
    b"root": SourceFormat.L1_NTUPLE,
    b"\x89HDF\r\n\x1a\n": SourceFormat.ADC2021,
}


def format_of_name(path: str | Path) -> SourceFormat | None:
    """The format that a file's name stands for, if it says so."""
    name = Path(path).name.lower()
    return next((format_ for suffix, format_ in SUFFIXES.items() if name.endswith(suffix)), None)


def output_format(path: str | Path) -> SourceFormat:
    """The format in which an output of that name is written.

    Raises:
        UnknownName: the name has no suffix of `SUFFIXES`.
    """
    format_ = format_of_name(path)
    if format_ is None:
        raise UnknownName(path, "file suffix", "".join(Path(path).suffixes), SUFFIXES)
    return format_


def format_of_file(path: Path) -> SourceFormat:
    """The format of an existing file: by its first bytes, else by its name, else text.

    Raises:
        FileMissing: there is no such file.
        FileUnreadable: it is empty, a folder, or may not be read.
    """
    head = first_bytes(path)
    for magic, format_ in _MAGICS.items():
        if head.startswith(magic):
            return format_
    return format_of_name(path) or SourceFormat.TEST_VECTOR


def files_name(paths: Sequence[Path]) -> str:
    """What a person calls a source of these files."""
    if len(paths) <= _NAMED_FILES:
        return ", ".join(map(str, paths))
    return f"{paths[0]} … {paths[-1]} ({len(paths)} files)"


def first_bytes(path: Path) -> bytes:
    """The first eight bytes of a file.

    Raises:
        FileMissing: there is no such file.
        FileUnreadable: it is empty, a folder, or may not be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except FileNotFoundError:
        raise FileMissing(path, "event file") from None
    except IsADirectoryError:
        raise FileUnreadable(path, "is a folder", f"name its files, for example '{path}/*.parquet'") from None
    except OSError as error:
        raise FileUnreadable(path, f"cannot be read ({error.strerror})", "check the file and its permissions") from None
    if not head:
        raise FileUnreadable(path, "is empty")
    return head
