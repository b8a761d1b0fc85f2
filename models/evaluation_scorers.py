"""A version in float, in fixed point and as C-sim: three functions from crossings to scores (`docs/evaluation.md`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.backends import open_backend
from models.errors import ModelError
from models.evaluation_float import float_scores
from models.inputs import hardware_inputs
from models.repository import LoadedVersion

Columns = Mapping[str, NDArray[np.generic]]
CSIM_BACKEND: Final = "hls4ml"


class Arithmetic(StrEnum):
    """How a score is computed."""

    FIXED = "fixed"
    """The integers that the menu sees, by the version's own backend."""
    FLOAT = "float"
    """The same network without rounding."""
    CSIM = "csim"
    """The C simulation of the firmware."""


@dataclass(frozen=True)
class Scorer:
    """One column of an evaluation.

    Attributes:
        label: NAME/VERSION.
        arithmetic: how.
        columns: of the event format that it reads.
        score: crossings to scores `(n,)`, integers, or float64 in the same unit.
        largest: the greatest integer that the score can be, if known.
    """

    label: str
    arithmetic: Arithmetic
    columns: tuple[str, ...]
    score: Callable[[Columns], NDArray[Any]]
    largest: int | None = None

    @property
    def name(self) -> str:
        """As tables call it."""
        return self.label if self.arithmetic is Arithmetic.FIXED else f"{self.label} ({self.arithmetic})"


@dataclass(frozen=True)
class LeftOut:
    """A column that there is not.

    Attributes:
        label: NAME/VERSION.
        arithmetic: how it would be computed.
        why: one sentence.
    """

    label: str
    arithmetic: Arithmetic
    why: str


def scorers(version: LoadedVersion, wanted: Sequence[Arithmetic] = tuple(Arithmetic)) -> Iterator[Scorer | LeftOut]:
    """The columns of a version; what another arithmetic cannot do is left out with a reason.

    Raises:
        ModelError: the version's own backend does not run it.
    """
    for arithmetic in wanted:
        if arithmetic is Arithmetic.FIXED:
            yield _by_backend(version, arithmetic, version.manifest.backend)
        elif arithmetic is Arithmetic.FLOAT:
            yield _float(version)
        else:
            yield _csim(version)


def _by_backend(version: LoadedVersion, arithmetic: Arithmetic, name: str) -> Scorer:
    backend = open_backend(name, version)
    return Scorer(version.label, arithmetic, backend.needed_columns, backend.score, _largest(version))


def _float(version: LoadedVersion) -> Scorer | LeftOut:
    if not version.has_network:
        return LeftOut(version.label, Arithmetic.FLOAT, "it has no network description")
    network, layout = version.network, version.layout

    def score(columns: Columns) -> NDArray[np.float64]:
        return float_scores(network, hardware_inputs(layout, columns))

    return Scorer(version.label, Arithmetic.FLOAT, layout.columns, score)


def _csim(version: LoadedVersion) -> Scorer | LeftOut:
    try:
        return _by_backend(version, Arithmetic.CSIM, CSIM_BACKEND)
    except ModelError as error:
        return LeftOut(version.label, Arithmetic.CSIM, str(error))


def _largest(version: LoadedVersion) -> int | None:
    if version.has_network:
        return version.network.score_type.code_range[1]
    if version.manifest.native is not None:
        return version.manifest.native.score_type.code_range[1]
    return None if version.manifest.score is None else version.manifest.score.largest_integer
