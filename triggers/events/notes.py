"""What a converted file remembers of its source: what that lacks, as metadata of the Arrow schema."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from triggers.events.source import SourceInfo

_KEY: Final = b"l1chain.source"


@dataclass(frozen=True)
class Notes:
    """What a file says about the source that it was converted from; fields as in `SourceInfo`."""

    missing: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()


def metadata_of(about: SourceInfo | None) -> dict[bytes, bytes] | None:
    """The metadata of a file with crossings of that source; None if there is nothing to remember."""
    if about is None or not (about.missing or about.lacking):
        return None
    return {_KEY: json.dumps({"missing": about.missing, "lacking": about.lacking}, ensure_ascii=False).encode()}


def notes_of(schema: pa.Schema) -> Notes:
    """What a file's schema remembers; nothing, if it is of another program."""
    stored = (schema.metadata or {}).get(_KEY)
    if stored is None:
        return Notes()
    try:
        values = json.loads(stored)
        return Notes(*(tuple(map(str, values[name])) for name in ("missing", "lacking")))
    except (ValueError, KeyError, TypeError):
        return Notes()
