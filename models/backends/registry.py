"""Finds backends by name, wherever they are installed (`docs/models.md`, "Backends")."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Final

from models.backends.protocol import Backend, BackendFactory, CostlyFactory
from models.errors import BackendMissing
from models.repository import LoadedVersion

ENTRY_POINT_GROUP: Final = "l1chain.backends"


def backend_names() -> tuple[str, ...]:
    """The backends that installed distributions register, in alphabetical order."""
    return tuple(sorted(_entry_points()))


def quick_backend_names() -> tuple[str, ...]:
    """Those of them that open in a moment: an import compares these unless it is asked for all."""
    points = _entry_points()
    return tuple(name for name in backend_names() if not isinstance(points[name].load(), CostlyFactory))


def open_backend(name: str, version: LoadedVersion) -> Backend:
    """A new backend for the calling thread.

    Args:
        name: as registered, e.g. `onnxruntime`; the manifest's `backend` is the version's own choice.
        version: what it shall run.

    Raises:
        BackendMissing: nothing installed registers the name.
        ModelError: the version lacks what this backend needs, or it is damaged.
    """
    registered = _entry_points()
    if name not in registered:
        raise BackendMissing(name, registered)
    factory: BackendFactory = registered[name].load()
    return factory(version)


def _entry_points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
