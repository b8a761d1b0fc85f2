"""What a backend is: the engine that turns crossings into a version's score (`docs/models.md`, "Backends")."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.repository import LoadedVersion


class Backend(Protocol):
    """Scores crossings with one model version; one instance belongs to one thread.

    A crossing's score depends on nothing but the crossing and the version: not on its neighbours in the batch, on other
    instances, or on the machine, as far as the manifest's `precision` says so.
    """

    @property
    def needed_columns(self) -> tuple[str, ...]:
        """The columns of the event format that `score` reads.

        Raises:
            models.errors.InputsInvalid: an input cannot be made of packed words; `score_inputs` works nevertheless.
        """
        ...

    def score(self, columns: Mapping[str, NDArray[np.generic]]) -> NDArray[np.int32]:
        """The menu's score integer of each crossing, `(n,) int32`.

        Args:
            columns: packed words as the event format has them, at least `needed_columns`, `n` rows each.

        Raises:
            models.errors.InputsInvalid: packed words do not hold an input, or a column has another shape.
        """
        ...

    def score_inputs(self, inputs: ArrayLike) -> NDArray[np.int64]:
        """The menu's score integer `(n,) int64` of inputs `(n, n_inputs)` in hardware units.

        Raises:
            models.errors.InputsInvalid: the inputs are not numbers of that shape.
        """
        ...


class BackendFactory(Protocol):
    """What the entry point `l1chain.backends` names: a backend's class, or a function that makes one."""

    def __call__(self, version: LoadedVersion) -> Backend:
        """A new backend for the calling thread.

        Raises:
            models.errors.ModelError: the version lacks what this backend needs, or it is damaged.
        """
        ...


@dataclass(frozen=True)
class CostlyFactory:
    """A factory that takes seconds or more, such as a compiler's; used only where its backend is asked for.

    Attributes:
        make: the factory itself.
    """

    make: Callable[[LoadedVersion], Backend]

    def __call__(self, version: LoadedVersion) -> Backend:
        """A new backend for the calling thread; raises what `make` does."""
        return self.make(version)
