"""Finds the files that ship with l1chain, in a checkout and in an installed wheel alike."""

from __future__ import annotations

from pathlib import Path

from triggers.errors import FileMissing

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
"""The folder of shipped configurations, menus and samples: beside the packages in both cases."""


def find_file(name: str | Path, relative_to: Path | None = None, role: str = "file") -> Path:
    """The file a user or a config means by `name`: beside `relative_to`, in the current folder, or a shipped one.

    Args:
        name: a path; `shipped:menus/demo.yaml` names a file below `CONFIGS`.
        relative_to: the folder of the file that names it, tried first for relative paths.
        role: what the file is, for the error message.

    Raises:
        FileMissing: there is no such file.
    """
    text = str(name)
    if text.startswith("shipped:"):
        candidates = [CONFIGS / text.removeprefix("shipped:")]
    else:
        candidates = [folder / text for folder in (relative_to, Path()) if folder is not None]
    for candidate in candidates:
        if candidate.exists():
            return candidate
    raise FileMissing(name, role)
