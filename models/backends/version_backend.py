"""What backends of one version share: the columns they read, and crossings by way of their inputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.inputs import Columns, hardware_inputs
from models.repository import LoadedVersion


class VersionBackend(ABC):
    """Scores crossings of packed words as `models.backends.protocol.Backend` says."""

    def __init__(self, version: LoadedVersion) -> None:
        """Keeps the version."""
        self._version: Final = version

    @property
    def needed_columns(self) -> tuple[str, ...]:
        """The columns of the event format that `score` reads.

        Raises:
            InputsInvalid: an input cannot be made of packed words.
        """
        return self._version.layout.columns

    def score(self, columns: Columns) -> NDArray[np.int32]:
        """The menu's score integer of each crossing, `(n,) int32`, from packed words.

        Raises:
            InputsInvalid: an input cannot be made of packed words, or a column is not of the event format's shape.
        """
        return self.score_inputs(hardware_inputs(self._version.layout, columns)).astype(np.int32)

    @abstractmethod
    def score_inputs(self, inputs: ArrayLike) -> NDArray[np.int64]:
        """The menu's score integer `(n,) int64` of inputs `(n, n_inputs)` in hardware units.

        Raises:
            InputsInvalid: the inputs are not numbers of that shape.
        """
