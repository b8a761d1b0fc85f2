"""How the backends' scores of a version compare with its reference scores (`docs/models.md`, "Reference")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.backends import open_backend
from models.errors import BackendMissing, ModelError
from models.repository import LoadedVersion


@dataclass(frozen=True)
class Outcome:
    """How one backend compared.

    Attributes:
        backend: its name.
        crossings: reference inputs.
        differing: those whose score is further off than the manifest's tolerance; None if it does not run the version.
        why_not: the sentence that says why it does not.
    """

    backend: str
    crossings: int
    differing: int | None
    why_not: str = ""


def compare(
    version: LoadedVersion, inputs: NDArray[np.generic], scores: NDArray[np.int64], backends: Sequence[str]
) -> Iterator[Outcome]:
    """Score reference inputs with each backend.

    Args:
        version: what to run.
        inputs: `(n, n_inputs)`.
        scores: `(n,) int64`, as they should be.
        backends: names, as registered.

    Raises:
        BackendMissing: nothing installed registers a name.
    """
    for backend in backends:
        try:
            found = open_backend(backend, version).score_inputs(inputs)
        except BackendMissing:
            raise
        except ModelError as error:
            yield Outcome(backend, len(scores), None, str(error))
        else:
            far = np.abs(found - scores) > version.manifest.tolerance
            yield Outcome(backend, len(scores), int(far.sum()))
