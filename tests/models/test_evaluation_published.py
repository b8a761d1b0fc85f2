"""The comparison with published efficiencies: a protocol that is fixed, and a paired test of the order."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.evaluation_networks import InputSample, network_scorer, read_inputs
from models.published import (
    DEFAULT_PROTOCOL,
    Protocol,
    ScoredNetwork,
    SignalComparison,
    Verdict,
    compare_signals,
    load_protocol,
)
from models.reference import reference_inputs, reference_scores
from models.repository import Repository
from models.tuning import SearchSpace
from tests.models.evaluation_samples import background
from triggers.events.simulation.sample import load_samples
from triggers.shipped import find_file
from triggers.strict_yaml import read_yaml

N_BACKGROUND, N_SIGNAL = 200_000, 4000
SYSTEMS = ("old", "middle", "new")


def protocol(**changes: object) -> Protocol:
    shipped = load_protocol("shipped:training/published.yaml").model_dump()
    stated = {"systems": list(SYSTEMS), "seeds": [1, 2], "signals": {"tt": [1.0, 2.0, 3.0]}, "replicas": 30}
    return Protocol.model_validate({**shipped, **stated, **changes})


def sample(n: int) -> InputSample:
    return InputSample("test", np.zeros((n, 1), np.int16), np.ones(n))


def networks(means: dict[str, float], spread: float = 0.0) -> list[ScoredNetwork]:
    """Scores that share what makes a crossing odd, so that a difference is seen better crossing by crossing."""
    random = np.random.default_rng(1)
    zero_bias, odd = random.normal(size=N_BACKGROUND), random.normal(size=N_SIGNAL)

    def integers(values: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.floor(1000 * (10 + values)).astype(np.int64)

    made = []
    for system, mean in means.items():
        for seed in (1, 2):
            moved = mean + spread * random.normal()
            made.append(
                ScoredNetwork(
                    system,
                    seed,
                    integers(zero_bias + 0.1 * random.normal(size=N_BACKGROUND)),
                    {"tt": integers(odd + moved + 0.1 * random.normal(size=N_SIGNAL))},
                )
            )
    return made


def compared(means: dict[str, float], spread: float = 0.0, n_hz: float = 200_000.0) -> SignalComparison:
    thresholds, (signal,) = compare_signals(
        protocol(rate_hz=n_hz), networks(means, spread), sample(N_BACKGROUND), {"tt": sample(N_SIGNAL)}, 28.6e6
    )
    assert all(0.9 * n_hz < threshold.rate_hz <= n_hz for threshold in thresholds)
    return signal


def test_the_shipped_protocol_has_the_published_signals() -> None:
    shipped = load_protocol("shipped:training/published.yaml")
    assert shipped.systems == ("axol1tl_v4", "axol1tl_gmm", "axol1tl_v5")
    assert len(shipped.signals) == 12
    assert len(shipped.seeds) == 5
    assert all(v4 <= gmm <= v5 for v4, gmm, v5 in shipped.signals.values())


def test_the_shipped_samples_are_those_of_the_protocol() -> None:
    shipped = load_samples("shipped:training/published-samples.yaml").samples
    assert {sample.process for sample in shipped.values()} == {"zero_bias", *load_protocol(DEFAULT_PROTOCOL).signals}
    assert len({sample.seed for sample in shipped.values()}) == len(shipped)
    for name, sample in shipped.items():
        assert sample.process == "zero_bias" or name == f"{sample.process}.parquet"


@pytest.mark.parametrize("system", ["axol1tl_v4", "axol1tl_v5"])
def test_the_shipped_search_spaces_vary_something(system: str) -> None:
    path = find_file(f"shipped:training/tune-{system}.yaml")
    assert read_yaml(path.read_bytes(), str(path), SearchSpace).recipe


def test_a_signal_needs_a_number_for_each_system() -> None:
    with pytest.raises(ValueError, match="has 2 numbers for 3 systems"):
        protocol(signals={"tt": [1.0, 2.0]})


def test_a_clear_order_is_reproduced() -> None:
    signal = compared({"old": 1.0, "middle": 1.5, "new": 2.0})
    assert signal.verdict is Verdict.REPRODUCED
    assert [step.better for step in signal.steps] == ["middle", "new", "new"]
    assert all(step.significance > 2 for step in signal.steps)
    assert signal.systems[0].mean < signal.systems[1].mean < signal.systems[2].mean
    assert signal.systems[2].published == 0.03


def test_an_inverted_step_is_found() -> None:
    assert compared({"old": 2.0, "middle": 1.5, "new": 2.1}).verdict is Verdict.INVERTED


def test_equal_systems_are_undecided() -> None:
    signal = compared({"old": 1.0, "middle": 1.0, "new": 1.0})
    assert signal.verdict is Verdict.UNDECIDED
    assert all(abs(step.significance) < 3 for step in signal.steps)


def test_a_difference_smaller_than_the_spread_of_trainings_does_not_count() -> None:
    signal = compared({"old": 1.0, "middle": 1.0, "new": 1.1}, spread=0.8)
    assert signal.verdict is not Verdict.REPRODUCED
    assert signal.steps[-1].seed_error > signal.steps[-1].paired_error


def test_pairing_makes_the_error_smaller_than_that_of_two_samples() -> None:
    step = compared({"old": 1.0, "middle": 1.2, "new": 1.4}).steps[-1]
    p = 0.3
    assert step.paired_error < np.sqrt(2 * p * (1 - p) / N_SIGNAL)
    assert step.background_error > 0


def test_networks_score_inputs_as_the_reference_does() -> None:
    network = Repository().load("axol1tl", "demo-v1").network
    inputs = reference_inputs(network, 1).astype(np.int16)
    assert np.array_equal(network_scorer(network)(inputs), reference_scores(network, inputs))


def test_inputs_are_read_without_context_and_with_weights() -> None:
    context, weights = np.arange(600) % 3 == 0, np.arange(600, dtype=np.float32)
    found = read_inputs(background(600, context=context, weight=weights), "axol1tl-57", 300)
    assert found.inputs.shape == (300, 57)
    assert found.weights[:3].tolist() == [1, 2, 4]
