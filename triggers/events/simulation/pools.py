"""Pools of generated interactions, made once and kept in the user's cache, addressed by what they are made of.

A pool is made of chunks of `CHUNK` interactions. A chunk has a generator and a seed of its own, so that content does
not depend on how many cores made it, and a larger pool begins with the chunks of a smaller one.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from triggers.errors import BadValue, FileUnreadable
from triggers.events.simulation.process import Component
from triggers.events.simulation.record import Interactions

CHUNK: Final = 5000
ECM_GEV: Final = 13_600.0
RECORD_VERSION: Final = 1
"""Raised when `record.py` keeps other things of an interaction."""


@dataclass(frozen=True)
class Job:
    """One chunk to generate: everything its content depends on, and where it goes."""

    component: Component
    index: int
    path: Path


@dataclass(frozen=True)
class Chunk:
    """A chunk of a pool.

    Attributes:
        interactions: what was generated.
        sigma_mb: the generator's cross section in millibarn.
        sigma_error_mb: its statistical error.
    """

    interactions: Interactions
    sigma_mb: float
    sigma_error_mb: float


def cache_folder() -> Path:
    """Where pools are kept: `l1chain/simulation` in `$XDG_CACHE_HOME` (`~/.cache`)."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "l1chain" / "simulation"


def address(component: Component) -> str:
    """The digest that names the component's pool: of generator settings, energy and record version."""
    what = {
        "settings": component.settings,
        "suppress_small_pt": component.suppress_small_pt,
        "ecm_gev": ECM_GEV,
        "record": RECORD_VERSION,
        "chunk": CHUNK,
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def chunk_paths(component: Component, folder: Path) -> list[Path]:
    """The files of the chunks of a component's pool."""
    home = folder / "interactions" / address(component)
    return [home / f"{index:04}.npz" for index in range(-(-component.interactions // CHUNK))]


def seed_of(component: Component, index: int) -> int:
    """The generator's seed for a chunk, 1 to 900,000,000 (Pythia's range)."""
    digest = hashlib.sha256(f"{address(component)}/{index}".encode()).digest()
    return 1 + int.from_bytes(digest[:8], "little") % 900_000_000


def missing_jobs(components: Sequence[Component], folder: Path) -> list[Job]:
    """The chunks that are not in the cache yet."""
    return [
        Job(component, index, path)
        for component in components
        for index, path in enumerate(chunk_paths(component, folder))
        if not path.exists()
    ]


def ensure_pools(
    components: Sequence[Component], folder: Path, advance: Callable[[int], None], workers: int | None = None
) -> None:
    """Generate what the pools lack, on all cores.

    Args:
        components: whose pools are wanted.
        folder: of the cache.
        advance: is called with the number of interactions made.
        workers: processes; by default one a core.

    Raises:
        BadValue: Pythia is not installed, refuses a setting, or the folder cannot be written.
    """
    from triggers.events.simulation import generator

    jobs = missing_jobs(components, folder)
    if jobs:
        generator.generate(jobs, advance, workers or os.cpu_count() or 1)


def load_pool(component: Component, folder: Path) -> Iterator[Chunk]:
    """The chunks of a component's pool.

    Raises:
        FileUnreadable: a chunk is damaged.
    """
    for path in chunk_paths(component, folder):
        yield read_chunk(path)


def read_chunk(path: Path) -> Chunk:
    """One chunk.

    Raises:
        FileUnreadable: it is damaged or not there.
    """
    content = read_arrays(path)
    try:
        interactions = Interactions(**{f.name: content[f.name] for f in fields(Interactions)})
        sigma, error = content["sigma_mb"]
    except (KeyError, ValueError) as problem:
        raise FileUnreadable(path, "is no pool of interactions", "remove it: it is made again") from problem
    return Chunk(interactions, float(sigma), float(error))


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file of the cache; every byte is covered by a checksum.

    Raises:
        FileUnreadable: it is damaged or not there.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise FileUnreadable(path, f"is damaged ({error})", "remove it: it is made again") from error


def write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Write a file of the cache: whole or not at all.

    Raises:
        BadValue: it cannot be written.
    """
    with _replacing(path) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadValue(path, f"cannot be written ({reason})", "free space, or set XDG_CACHE_HOME") from error
    finally:
        partial.unlink(missing_ok=True)
