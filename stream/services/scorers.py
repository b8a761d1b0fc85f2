"""Model versions in a stage replica: loaded, warmed up, and held against their own reference scores."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.backends.protocol import Backend
from models.backends.registry import open_backend
from models.repository import LoadedVersion, Repository
from stream.services.model_changes import RunVersion
from triggers.errors import BadValue
from triggers.events.crossings import zero_column

_KEPT: Final = 6
"""Production, the one before it, a shadow, and some that menus name; what is older is loaded again if need be."""
_WARM_ROWS: Final = 64


@dataclass(frozen=True)
class Scorer:
    """A version that is ready.

    Attributes:
        loaded: the version.
        backend: that runs it.
        columns: of the event format that it reads.
    """

    loaded: LoadedVersion
    backend: Backend
    columns: tuple[str, ...]

    @property
    def label(self) -> str:
        """NAME/VERSION, as its manifest says."""
        return self.loaded.label


class Scorers:
    """The versions that a replica has ready.

    Args:
        repository: where versions are; opened when one is loaded.
    """

    def __init__(self, repository: Callable[[], Repository]) -> None:
        self._repository = repository
        self._ready: OrderedDict[tuple[str, str], Scorer] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, version: RunVersion) -> Scorer:
        """A version, loaded now if it is not there.

        Raises:
            L1ChainError: it cannot be loaded, or is another one than the run's.
        """
        key = version.digest, version.backend
        with self._lock:
            if key in self._ready:
                self._ready.move_to_end(key)
                return self._ready[key]
        return self._keep(key, _load(self._repository(), version))

    def prepare(self, version: RunVersion) -> Scorer:
        """As `get`, and checked against the version's reference scores, in a thread that does not score.

        Raises:
            L1ChainError: also if a score is another one than the reference's.
        """
        key = version.digest, version.backend
        with self._lock:
            if key in self._ready:
                return self._ready[key]
        scorer = _load(self._repository(), version)
        check_reference(scorer)
        return self._keep(key, scorer)

    def _keep(self, key: tuple[str, str], scorer: Scorer) -> Scorer:
        with self._lock:
            kept = self._ready.setdefault(key, scorer)
            while len(self._ready) > _KEPT:
                self._ready.popitem(last=False)
        return kept


def _load(repository: Repository, version: RunVersion) -> Scorer:
    loaded = repository.load(version.model, version.version)
    if loaded.digest != version.digest:
        what = f"has the digest {loaded.digest[:12]}… here, expected {version.digest[:12]}…"
        raise BadValue(version.label, what, "give all hosts of the run the same versions")
    backend = open_backend(version.backend, loaded)
    columns = tuple(backend.needed_columns)
    backend.score({name: zero_column(name, _WARM_ROWS) for name in columns})
    return Scorer(loaded, backend, columns)


def check_reference(scorer: Scorer) -> None:
    """Compare a version's scores of its reference inputs with those that it states.

    Raises:
        BadValue: some differ by more than the version's tolerance.
        ModelError: it has no reference, or the backend cannot score it.
    """
    inputs, expected = scorer.loaded.reference()
    found = scorer.backend.score_inputs(inputs)
    differing = int(np.count_nonzero(np.abs(found - expected) > scorer.loaded.manifest.tolerance))
    if differing:
        what = f"{differing} of {len(expected)} reference scores differ"
        raise BadValue(scorer.label, what, f"see `l1chain models verify {scorer.label}`")
