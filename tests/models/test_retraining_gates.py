"""Gates: limits from a file that stop a retrained network."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.comparison import Outcome
from models.evaluation import evaluate
from models.evaluation_result import Evaluation, Options
from models.evaluation_scorers import Arithmetic, Scorer, scorers
from models.repository import Repository
from models.retraining_gates import Gates, backends_gate, evaluation_gates, load_gates, numbers_gate
from tests.models.evaluation_samples import background, signal
from triggers.errors import UnknownName

RATE_HZ = 1e6


def limits(**changes: object) -> Gates:
    shipped = load_gates("shipped:training/gates.yaml").model_dump() | {"rate_hz": RATE_HZ}
    return Gates.model_validate({**shipped, **changes})


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    """The demonstration network, and beside it the same turned upside down."""
    version = Repository().load("axol1tl", "demo-v1")
    (good,) = (s for s in scorers(version, [Arithmetic.FIXED]) if isinstance(s, Scorer))
    bad = Scorer("axol1tl/bad", Arithmetic.FIXED, good.columns, lambda columns: 262143 - good.score(columns))
    return evaluate([good, bad], background(20_000), {"hard": signal(2000)}, Options((RATE_HZ,)))


def test_the_shipped_limits_name_all_exact_backends() -> None:
    assert set(load_gates("shipped:training/gates.yaml").backends) == {"fixed", "onnxruntime", "native", "hls4ml"}


def test_an_unknown_limit_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "gates.yaml"
    path.write_text("speed: 1\n")
    with pytest.raises(UnknownName, match="unknown key 'speed'"):
        load_gates(path)


def test_a_backend_that_differs_stops_it() -> None:
    outcomes = [Outcome("fixed", 10, 0), Outcome("native", 10, 1)]
    assert backends_gate(limits(backends=["fixed"]), outcomes).passed
    found = backends_gate(limits(backends=["fixed", "native"]), outcomes)
    assert found.passed is False
    assert "native: 1 of 10 differ" in found.found


def test_a_backend_that_refuses_a_network_is_no_difference_but_one_that_was_not_asked_is() -> None:
    outcomes = [Outcome("fixed", 10, 0), Outcome("native", 10, None, "has a table")]
    assert backends_gate(limits(backends=["fixed", "native"]), outcomes).passed
    assert backends_gate(limits(backends=["fixed", "hls4ml"]), outcomes).passed is False


def test_a_loss_or_score_that_is_no_number_stops_it() -> None:
    assert numbers_gate({"embedding/loss": 1.0}, scores_finite=True).passed
    assert numbers_gate({"embedding/loss": float("nan")}, scores_finite=True).found == "embedding/loss"
    assert numbers_gate({}, scores_finite=False).passed is False


def test_a_network_worse_than_production_is_stopped(evaluation: Evaluation) -> None:
    better = evaluation_gates(limits(), evaluation, "axol1tl/demo-v1", "axol1tl/bad")
    worse = evaluation_gates(limits(), evaluation, "axol1tl/bad", "axol1tl/demo-v1")
    assert [gate.passed for gate in better] == [True, True, None]
    assert worse[1].passed is False
    assert "hard: −" in worse[1].found


def test_too_little_background_stops_it(evaluation: Evaluation) -> None:
    gates = limits(least_effective_crossings=10_000)
    assert evaluation_gates(gates, evaluation, "axol1tl/demo-v1", None)[0].passed is False


def test_what_cannot_be_judged_does_not_stop_it(evaluation: Evaluation) -> None:
    first = evaluation_gates(limits(), evaluation, "axol1tl/demo-v1", None)
    assert [gate.passed for gate in first] == [True, None, None]
    assert "no version in production" in first[1].found
