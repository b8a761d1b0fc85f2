"""Gates between a retrained network and production, with limits that a file states (`docs/evaluation.md`, "Gates")."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from models.comparison import Outcome
from models.evaluation_result import Evaluation, RateKind
from triggers.shipped import find_file
from triggers.strict_yaml import StrictModel, read_yaml

DEFAULT_GATES = "shipped:training/gates.yaml"
_Fraction = Annotated[float, Field(ge=0, le=1)]


class Gates(StrictModel):
    """The limits.

    Attributes:
        backends: each must give the reference scores, or refuse the network.
        rate_hz: total rate at which efficiencies are compared.
        largest_efficiency_loss: of any signal against production, absolute.
        largest_rate_spread: over lumi sections, beyond statistics, relative to the mean.
        least_effective_crossings: of the background above the threshold at `rate_hz`.
    """

    backends: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    rate_hz: Annotated[float, Field(gt=0)]
    largest_efficiency_loss: _Fraction
    largest_rate_spread: Annotated[float, Field(ge=0)]
    least_effective_crossings: Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class GateResult:
    """One gate.

    Attributes:
        gate: its name.
        passed: None if there is nothing to judge by.
        limit: what is asked for.
        found: what there is.
    """

    gate: str
    passed: bool | None
    limit: str
    found: str


def load_gates(path: str | Path) -> Gates:
    """Read a file of limits.

    Raises:
        FileMissing, FileUnreadable, UnknownName, BadValue: as `triggers.strict_yaml.read_yaml`.
    """
    return read_yaml(find_file(path, role="file of gates").read_bytes(), str(path), Gates)


def backends_gate(gates: Gates, outcomes: Sequence[Outcome]) -> GateResult:
    """Every backend gives the reference scores; one that refuses the network, and says so, is no difference."""
    compared = {outcome.backend: outcome for outcome in outcomes}
    found, passed = [], True
    for name in gates.backends:
        outcome = compared.get(name)
        if outcome is None or outcome.differing is None:
            found.append(f"{name}: {outcome.why_not if outcome else 'not compared'}")
            passed &= outcome is not None
        else:
            found.append(f"{name}: {outcome.differing} of {outcome.crossings} differ")
            passed &= outcome.differing == 0
    return GateResult("backends agree", passed, "no score differs", "; ".join(found))


def numbers_gate(losses: Mapping[str, float], scores_finite: bool) -> GateResult:
    """Losses and scores are numbers."""
    bad = [name for name, value in losses.items() if not math.isfinite(value)]
    bad += [] if scores_finite else ["scores"]
    return GateResult("no NaN", not bad, "losses and scores are finite", ", ".join(bad) or "all finite")


def evaluation_gates(gates: Gates, evaluation: Evaluation, candidate: str, production: str | None) -> list[GateResult]:
    """What depends on samples; `candidate` and `production` are columns of the evaluation."""
    point = evaluation.rate(candidate, RateKind.TOTAL, gates.rate_hz)
    enough = GateResult(
        "enough background",
        point.effective >= gates.least_effective_crossings,
        f"{gates.least_effective_crossings:g} effective crossings above {gates.rate_hz:g} Hz",
        f"{point.effective:.0f}",
    )
    return [enough, _efficiency(gates, evaluation, candidate, production), _steadiness(gates, evaluation, candidate)]


def _efficiency(gates: Gates, evaluation: Evaluation, candidate: str, production: str | None) -> GateResult:
    name = f"efficiency at {gates.rate_hz:g} Hz"
    limit = f"no signal loses more than {100 * gates.largest_efficiency_loss:g} % (absolute) against production"
    if production is None:
        return GateResult(name, None, limit, "there is no version in production")
    changes = dict(_changes(gates, evaluation, candidate, production))
    if not changes:
        return GateResult(name, None, limit, "there are no signals")
    worst = min(changes, key=changes.__getitem__)
    found = f"{worst}: {100 * changes[worst]:+.2f} %".replace("-", "−")
    return GateResult(name, changes[worst] >= -gates.largest_efficiency_loss, limit, found)


def _changes(gates: Gates, evaluation: Evaluation, candidate: str, production: str) -> Iterator[tuple[str, float]]:
    for signal in evaluation.signals:
        new, old = (
            evaluation.efficiency(column, signal, RateKind.TOTAL, gates.rate_hz).efficiency
            for column in (candidate, production)
        )
        yield signal, new - old


def _steadiness(gates: Gates, evaluation: Evaluation, candidate: str) -> GateResult:
    limit = f"spread over lumi sections at most {100 * gates.largest_rate_spread:g} %"
    for found in evaluation.stabilities:
        if found.scorer == candidate:
            text = f"{100 * found.excess_spread:.1f} ± {100 * found.excess_error:.1f} % in {found.bins} bins"
            return GateResult("rate stability", found.excess_spread <= gates.largest_rate_spread, limit, text)
    return GateResult("rate stability", None, limit, "the background has one lumi section, or too few crossings")
