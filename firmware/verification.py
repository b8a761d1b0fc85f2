"""Whether every form of a version gives the same score: integers, C++, logic, RTL (`docs/firmware.md`, "Verify")."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware.build_requests import BuildRequest
from firmware.verification_forms import Form, FormOpener
from firmware.verification_inputs import Inputs
from models.backends import fixed
from models.errors import ModelError
from models.repository import LoadedVersion

_FIRST: Final = 3
LayerCodes = Mapping[str, list[int]]


@dataclass(frozen=True)
class Difference:
    """An input for which a form gives another score.

    Attributes:
        inputs: `(n_inputs,)`.
        expected: the score of `fixed`.
        found: the form's.
        layers: the codes that `fixed` computes for every tensor, by name.
        layers_found: the form's own, if it can tell them.
    """

    inputs: list[float]
    expected: int
    found: int
    layers: LayerCodes
    layers_found: LayerCodes | None

    @property
    def first_layer(self) -> str | None:
        """The first tensor whose codes differ, if the form can tell."""
        if self.layers_found is None:
            return None
        return next((name for name, codes in self.layers_found.items() if codes != self.layers.get(name)), None)


@dataclass(frozen=True)
class Agreement:
    """How one form compares with `fixed` on one set of inputs.

    Attributes:
        form: its name, as `firmware.verification_forms.forms_of` gives it.
        inputs: which set.
        crossings: how many.
        differing: how many scores differ; None if the form cannot be run.
        why_not: the sentence that says why.
        seconds: of wall-clock time, for this set.
        opening_s: of wall-clock time, to make the form: compilers and all.
        first: the first differences.
    """

    form: str
    inputs: str
    crossings: int
    differing: int | None
    why_not: str = ""
    seconds: float = 0.0
    opening_s: float = 0.0
    first: tuple[Difference, ...] = ()


def verify(
    loaded: LoadedVersion, request: BuildRequest, sets: Mapping[str, Inputs], forms: Mapping[str, FormOpener]
) -> Iterator[Agreement]:
    """Compare each form with `fixed` on every set of inputs; a form that cannot run says why.

    Forms that are compiled to the same object are run once.

    Args:
        loaded: the version.
        request: part, clock and ports of the RTL.
        sets: from `firmware.verification_inputs.input_sets`.
        forms: from `firmware.verification_forms.forms_of`.

    Raises:
        FileNotListed, NetworkInvalid, UnknownName, BadValue: the version has no network, or a damaged one.
    """
    expected = {name: fixed.score(loaded.network, inputs) for name, inputs in sets.items()}
    ran: dict[tuple[Path, str], Agreement] = {}
    for name, open_form in forms.items():
        with ExitStack() as stack:
            start = time.monotonic()
            try:
                form = open_form(loaded, request, stack)
            except ModelError as error:
                yield from (Agreement(name, which, len(inputs), None, str(error)) for which, inputs in sets.items())
                continue
            opening_s = time.monotonic() - start
            for which, inputs in sets.items():
                row = Agreement(name, which, len(inputs), 0, opening_s=opening_s)
                before = None if form.compiled is None else ran.get((form.compiled, which))
                if before is None:
                    row = _compared(loaded, form, row, inputs, expected[which])
                else:
                    row = replace(before, form=name, opening_s=opening_s, seconds=0.0)
                if form.compiled is not None:
                    ran[form.compiled, which] = row
                yield row


def _compared(
    loaded: LoadedVersion, form: Form, row: Agreement, inputs: Inputs, expected: NDArray[np.int64]
) -> Agreement:
    if form.takes is not None:
        taken = form.takes(inputs)
        inputs, expected = inputs[taken], expected[taken]
    start = time.monotonic()
    found = form.score(inputs)
    seconds = time.monotonic() - start
    differing = np.flatnonzero(found != expected)
    first = tuple(_difference(loaded, form, inputs[i : i + 1], expected[i], found[i]) for i in differing[:_FIRST])
    return replace(row, crossings=len(inputs), differing=len(differing), seconds=seconds, first=first)


def _difference(loaded: LoadedVersion, form: Form, inputs: Inputs, expected: np.int64, found: np.int64) -> Difference:
    own = None if form.layers is None else _listed(form.layers(inputs))
    layers = _listed(fixed.run(loaded.network, inputs))
    return Difference(inputs[0].astype(float).tolist(), int(expected), int(found), layers, own)


def _listed(codes: Mapping[str, NDArray[np.int64]]) -> LayerCodes:
    return {name: [int(code) for code in values.ravel()] for name, values in codes.items()}
