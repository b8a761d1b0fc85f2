"""Errors of the trigger layer; every message says what is wrong, where, and what to do.

L1ChainError                     what a user can mend: the command line prints it and exits with 2
├── FileMissing                  a path that is not there
├── FileUnreadable               a file whose content is damaged or of another kind
├── FileExists                   an output that would be overwritten
├── SchemaMismatch               a table that lacks a column, or has one of another type
├── BadWord, BadWordCount        a line of a test vector
├── OutOfOrder                   crossings that are not in time order
├── MenuSyntax                   a menu or an expression that does not parse
├── UnknownName                  a cut, object, algorithm, column … that does not exist
└── BadValue                     a value that is not allowed where it stands
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class L1ChainError(Exception):
    """An error that a user can mend: where it is, what is wrong there, what to do."""

    def __init__(self, where: str | Path, what: str, remedy: str) -> None:
        self.where, self.what, self.remedy = str(where), what, remedy
        super().__init__(" ".join(f"{self.where}: {what}; {remedy}".splitlines()))

    @property
    def parts(self) -> dict[str, str]:
        """Where, what and remedy apart, as messages between services and answers to commands carry them."""
        return {"where": self.where, "what": self.what, "remedy": self.remedy}


class FileMissing(L1ChainError):
    """A path that is not there."""

    def __init__(self, path: str | Path, role: str) -> None:
        super().__init__(path, f"no such {role}", "check the path")


class FileUnreadable(L1ChainError):
    """A file whose content is damaged or of another kind."""

    def __init__(self, path: str | Path, what: str, remedy: str = "fetch or write the file again") -> None:
        super().__init__(path, what, remedy)


class FileExists(L1ChainError):
    """An output that would be overwritten."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path, "exists already", "name another output or remove it")


class SchemaMismatch(L1ChainError):
    """A table that lacks a column, or has one of another type."""

    def __init__(self, path: str | Path, column: str, found: str, expected: str) -> None:
        super().__init__(
            path, f"column '{column}' is {found}, expected {expected}", "convert it with `l1chain events convert`"
        )


class BadWord(L1ChainError):
    """A word of a test-vector line that is not the hexadecimal number it should be."""

    def __init__(self, path: str | Path, line: int, column: int, word: str, expected: str) -> None:
        super().__init__(f"{path}, line {line}, column {column}", f"'{word}' is not {expected}", "correct the line")


class BadWordCount(L1ChainError):
    """A test-vector line with a number of columns that no format has."""

    def __init__(self, path: str | Path, line: int, found: int, allowed: Iterable[int]) -> None:
        counts = " or ".join(str(n) for n in allowed)
        super().__init__(f"{path}, line {line}", f"{found} columns, expected {counts}", "correct or remove the line")


class OutOfOrder(L1ChainError):
    """Crossings that are not in time order within their lumi section."""

    def __init__(self, path: str | Path, row: int) -> None:
        super().__init__(
            f"{path}, row {row}", "crossings are not in time order", "sort them by run, lumi_section, orbit, bx"
        )


class MenuSyntax(L1ChainError):
    """A menu or an expression that does not parse."""

    def __init__(self, where: str | Path, what: str, remedy: str = "correct the menu") -> None:
        super().__init__(where, what, remedy)


class UnknownName(L1ChainError):
    """A name that does not exist among those allowed where it stands."""

    def __init__(self, where: str | Path, kind: str, name: str, allowed: Iterable[str]) -> None:
        names = sorted(allowed)
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.6) or names[:8]
        more = ", …" if len(names) > len(close) else ""
        super().__init__(where, f"unknown {kind} '{name}'", f"use one of: {', '.join(close) or '(none exist)'}{more}")


class BadValue(L1ChainError):
    """A value that is not allowed where it stands."""

    def __init__(self, where: str | Path, what: str, remedy: str) -> None:
        super().__init__(where, what, remedy)
