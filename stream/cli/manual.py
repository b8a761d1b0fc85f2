"""What stands at the end of `--help`: examples, exit codes, the page of the docs."""

from __future__ import annotations

from typing import Final

EXIT_CODES: Final = (
    "Exit codes: 0 it worked; 1 a check found something, or a run failed; 2 bad input, told in one sentence;"
    " 130 interrupted with Ctrl-C."
)
_AS_IT_STANDS: Final = "\b"
"""Click keeps the lines of a paragraph that begins with this."""


def ending(*examples: str, page: str | None = None) -> str:
    """The end of a command's help.

    Args:
        examples: command lines.
        page: of the docs, where more is told.
    """
    parts = []
    if examples:
        parts.append("\n".join((_AS_IT_STANDS, "Examples:", *(f"  {line}" for line in examples))))
    if page is not None:
        parts.append(f"More: docs/{page}")
    return "\n\n".join(parts)
