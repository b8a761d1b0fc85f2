"""The slots that a version takes in hardware, from its build or from its logic (`docs/firmware.md`, "Latency")."""

from __future__ import annotations

import json
from typing import Final

from firmware.build_requests import BuildRequest, rtl_request
from firmware.builds import RECORD_FILE, builds_folder
from firmware.designs import rtl_pipeline
from firmware.latency import Block, Origin, slots_of_ticks
from firmware.parts import published_for
from models.errors import ModelError
from models.repository import LoadedVersion

_UNKNOWN_SLOTS: Final = 8


def network_block(loaded: LoadedVersion, request: BuildRequest | None = None, make: bool = True) -> Block:
    """The block of a version.

    Its ticks are those of the build with this request, if that is of this very version; else those of its logic; else
    what was published about a network of this name; else assumed.

    Args:
        loaded: the version.
        request: part, clock, ports; those of the Global Trigger if not given.
        make: whether logic may be made, which takes seconds, if there is no build.
    """
    asked = request or rtl_request()
    ticks = _built_ticks(loaded, asked)
    if ticks is not None:
        return _block(loaded, ticks, asked, Origin.BUILD)
    why = "no build"
    if make:
        try:
            return _block(loaded, len(rtl_pipeline(loaded, asked).solutions), asked, Origin.DESIGN)
        except ModelError as error:
            why = f"no logic: {error}"
    published = published_for(loaded.manifest.name)
    if published is not None and published.latency_ns is not None:
        slots = slots_of_ticks(1, published.latency_ns)
        return Block(f"network {loaded.label}", slots, Origin.PUBLISHED, f"{published.network}; {why}")
    return Block(f"network {loaded.label}", _UNKNOWN_SLOTS, Origin.ASSUMED, why)


def _block(loaded: LoadedVersion, ticks: int, request: BuildRequest, origin: Origin) -> Block:
    note = f"{ticks} ticks of {request.clock_ns:g} ns, {request.part}"
    return Block(f"network {loaded.label}", slots_of_ticks(ticks, request.clock_ns), origin, note)


def _built_ticks(loaded: LoadedVersion, request: BuildRequest) -> int | None:
    """As the record of the build states them; a damaged record counts as none."""
    try:
        record = json.loads((builds_folder(loaded) / request.label / RECORD_FILE).read_text(encoding="utf-8"))
        if record["version_digest"] != loaded.digest:
            return None
        return int(record["ticks"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
