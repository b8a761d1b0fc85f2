"""What the page shows, from what a run tells (docs/page.md)."""

from __future__ import annotations

from typing import Any

import pytest

from stream.page import view
from stream.page.scrape import parse
from triggers.decision.settings import simulated_seconds

BUNCHES = 1000
ROW: dict[str, Any] = {
    "lumi_section": 3,
    "prescale_column": "physics",
    "masked": [],
    "model_versions": {"axol1tl": "v4"},
    "decided": 900_000,
    "dead": {"stages": 100_000},
    "accepted": 4_000,
    "accepted_hz": 50_000.0,
    "accepted_error_hz": 790.0,
    "suppressed": {"anomaly": 10},
    "final_or": 4_100,
    "groups": {"muon": {"final": 200, "pure": 150}},
    "budgets": {"anomaly": {"final": 40, "pure": 4}},
    "anomaly_detection": {"final": 40, "pure": 4},
}


def test_rates_of_a_lumi_section_are_per_simulated_second() -> None:
    (told,) = view.lumi_sections_told([ROW], BUNCHES)
    seconds = simulated_seconds(900_000, BUNCHES)
    assert told["l1_hz"] == 50_000.0
    assert told["final_or_hz"] == pytest.approx(4_100 / seconds)
    assert told["ad_pure_hz"] == pytest.approx(4 / seconds)
    assert told["groups"] == {"muon": pytest.approx(200 / seconds)}
    assert told["dead_fraction"] == pytest.approx(0.1)


def test_budgets_count_seconds_of_beam_with_the_dead_time_in_it() -> None:
    (told,) = view.lumi_sections_told([ROW], BUNCHES)
    beam_s = simulated_seconds(1_000_000, BUNCHES)
    assert told["budgets"] == {"anomaly": pytest.approx(40 / beam_s)}
    assert told["suppressed"] == {"anomaly": pytest.approx(10 / beam_s)}
    assert told["budget_control"] == {}
    control = {"anomaly": {"state": "acting", "setting": 7, "rate_hz": 1.0, "action": None}}
    assert view.lumi_sections_told([ROW | {"budget_control": control}], BUNCHES)[0]["budget_control"] == control


def test_a_lumi_section_without_decided_crossings_has_no_rates() -> None:
    assert view.lumi_sections_told([ROW | {"decided": 0}], BUNCHES) == []


def metrics(decided: int, cpu_s: float, time_s: float, latencies: tuple[int, int] = (0, 0)) -> Any:
    return parse(
        f"""
# TYPE l1chain_crossings_decided counter
l1chain_crossings_decided_total{{service="combiner"}} {decided}
# TYPE l1chain_simulated_seconds counter
l1chain_simulated_seconds_total{{service="combiner"}} {decided / 1e6}
# TYPE l1chain_cpu_seconds counter
l1chain_cpu_seconds_total{{service="seeds.0"}} {cpu_s}
# TYPE l1chain_resident_memory_bytes gauge
l1chain_resident_memory_bytes{{service="seeds.0"}} 5e8
# TYPE l1chain_budget_rate_hz gauge
l1chain_budget_rate_hz{{budget="anomaly",service="combiner"}} 700
# TYPE l1chain_algorithm_accepts counter
l1chain_algorithm_accepts_total{{algorithm="L1_A",step="final",service="combiner"}} 4
l1chain_algorithm_accepts_total{{algorithm="L1_A",step="pure",service="combiner"}} 1
l1chain_algorithm_accepts_total{{algorithm="L1_A",step="before_prescale",service="combiner"}} 8
l1chain_algorithm_accepts_total{{algorithm="L1_B",step="final",service="combiner"}} 9
l1chain_algorithm_accepts_total{{algorithm="L1_B",step="pure",service="combiner"}} 0
l1chain_algorithm_accepts_total{{algorithm="L1_B",step="before_prescale",service="combiner"}} 9
# TYPE l1chain_batch_latency_seconds histogram
l1chain_batch_latency_seconds_bucket{{stage="decision",service="combiner",le="0.001"}} {latencies[0]}
l1chain_batch_latency_seconds_bucket{{stage="decision",service="combiner",le="0.002"}} {sum(latencies)}
l1chain_batch_latency_seconds_bucket{{stage="decision",service="combiner",le="+Inf"}} {sum(latencies)}
# TYPE l1chain_score histogram
l1chain_score_bucket{{model="m",version="v1",service="score:m.0",le="0.0"}} 0
l1chain_score_bucket{{model="m",version="v1",service="score:m.0",le="1.0"}} 1
l1chain_score_bucket{{model="m",version="v1",service="score:m.0",le="3.0"}} 4
l1chain_score_bucket{{model="m",version="v1",service="score:m.0",le="7.0"}} 4
l1chain_score_bucket{{model="m",version="v1",service="score:m.0",le="+Inf"}} 4
""",
        time_s,
    )


def test_the_highest_rates_come_first() -> None:
    told = view.algorithms_counted(metrics(2_000_000, 0, 0))
    assert [row["algorithm"] for row in told] == ["L1_B", "L1_A"]
    assert [row["final_hz"] for row in told] == [4.5, 2.0]
    assert told[1]["pure_hz"] == 0.5
    assert told[1]["before_prescale_hz"] == 4.0
    assert told[1]["final_error_hz"] == 1.0


def test_scores_stand_in_bins_of_powers_of_two() -> None:
    (told,) = view.scores_counted(metrics(1, 0, 0))
    assert told["crossings"] == 4
    assert told["edges"] == [1, 2, 4]  # the scores 1, and 2 to 3
    assert told["fractions"] == [0.25, 0.75]


def test_latency_speed_and_cost_are_those_between_two_readings() -> None:
    before, now = metrics(1_000_000, 1.0, 10.0, (50, 0)), metrics(5_000_000, 3.0, 14.0, (50, 10))
    (latency,) = view.latencies(now, before)
    assert latency == {
        "stage": "decision",
        "p50_ms": pytest.approx(1.5),
        "p99_ms": pytest.approx(1.99),
        "batches": 10,
    }
    assert view.speed(now, before) == {"over_s": 4.0, "crossings_per_s": 1e6, "real_time": pytest.approx(1.0)}
    assert view.speed(now, None) is None
    status = {"services": {"seeds.0": {"ready": True, "silent_s": 0.1, "pid": 5}}}
    (seeds,) = view.services(status, now, before)
    assert seeds["cores"] == pytest.approx(0.5)
    assert seeds["cpu_ns_per_crossing"] == pytest.approx(500)
    assert (seeds["memory_bytes"], seeds["restarts"]) == (5e8, 0)
    (unknown,) = view.services(status, None, None)
    assert unknown["cores"] is unknown["memory_bytes"] is unknown["restarts"] is None


def test_budgets_are_what_the_run_says_now() -> None:
    config = {"budgets": [{"name": "anomaly", "rate_hz": 1000.0}], "metrics": {"l1_rate_limit_hz": 1e5}}
    assert view.limits(config, None) == {"l1_hz": 1e5, "budgets": {"anomaly": 1000.0}, "hlt_hz": None}
    assert view.limits(config | {"hlt": {"rate_hz": 10.0}}, None)["hlt_hz"] == 10.0
    assert view.limits(config, metrics(1, 0, 0))["budgets"] == {"anomaly": 700.0}
