"""Recording rules and alerts (docs/metrics.md, docs/runbook.md)."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml

from tests.monitoring.shipped import (
    METRICS_PAGE,
    PROMETHEUS,
    RUNBOOK,
    documented,
    metrics_in,
    program,
    records_in,
    rules,
)

TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))


def test_prometheus_takes_the_configuration_and_the_rules() -> None:
    command = [program("promtool"), "check", "config", str(PROMETHEUS / "prometheus.yml")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert str(len(rules("record"))) + " rules found" in ended.stdout
    assert str(len(rules("alert"))) + " rules found" in ended.stdout


def test_the_unit_tests_of_the_rules_pass() -> None:
    command = [program("promtool"), "test", "rules", *map(str, TESTS)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_rule_and_alert_has_a_unit_test() -> None:
    tests = [test for file in TESTS for test in yaml.safe_load(file.read_text())["tests"]]
    recorded = [case["expr"] for test in tests for case in test.get("promql_expr_test", ()) if case["exp_samples"]]
    assert set().union(*map(records_in, recorded)) == {rule["record"] for rule in rules("record")}
    fired = [case for test in tests for case in test.get("alert_rule_test", ()) if case["exp_alerts"]]
    assert {case["alertname"] for case in fired} == {rule["alert"] for rule in rules("alert")}


@pytest.mark.parametrize("kind", ["record", "alert"])
def test_rules_use_metrics_and_rates_that_there_are(kind: str) -> None:
    recorded = {rule["record"] for rule in rules("record")}
    for rule in rules(kind):
        assert metrics_in(rule["expr"]) <= documented(r"l1chain_\w+"), rule
        assert records_in(rule["expr"]) <= recorded, rule


def test_the_recorded_rates_are_those_that_the_page_lists() -> None:
    assert documented(r"\w+:\w+:\w+") == {rule["record"] for rule in rules("record")}


def test_no_metric_is_listed_twice() -> None:
    listed = re.findall(r"^\| `([\w:]+)` \|", METRICS_PAGE.read_text(), re.MULTILINE)
    assert sorted(set(listed)) == sorted(listed)


def test_every_alert_has_a_section_of_the_runbook() -> None:
    sections = re.findall(r"^## (\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    alerts = rules("alert")
    assert sections == [rule["alert"] for rule in alerts]
    for rule in alerts:
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in {"warning", "critical"}
