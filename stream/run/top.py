"""A running chain at a glance: what `l1chain top` shows (`docs/run-control.md`, section "At a glance")."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Final

from models.manifest import COLLIDING_BUNCHES
from stream.page.scrape import Scrape, parse
from stream.page.view import latencies, services
from stream.run.control_client import Client
from triggers.studies.rates import rate_and_error

WINDOW_S: Final = 10.0
"""Rates, speed and latency are those of the last seconds."""
_PATIENCE_S: Final = 5.0
_LATEST_CHANGES: Final = 3

Json = dict[str, Any]


class Top:
    """Looks at a run through its control socket alone, so that a run on another host is no different.

    Args:
        client: of the run.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._looks: deque[tuple[Scrape, int]] = deque()

    def look(self) -> Json:
        """The run as it is now; rates are those since a look some seconds ago, or the first.

        Raises:
            L1ChainError: the run does not answer.
        """
        status = self._client.ask("status", patience_s=_PATIENCE_S)
        text = self._client.ask("metrics", patience_s=_PATIENCE_S)["text"]
        now = parse(text, time.monotonic())
        looks = self._looks
        while len(looks) > 1 and now.time_s - looks[1][0].time_s >= WINDOW_S:
            looks.popleft()
        looks.append((now, status["decided"]))
        before, decided_before = looks[0]
        if before is now:
            return picture(status, now, Scrape(now.time_s, {})) | {"speed": None}
        # Counts of the status are fresher than metrics, which services tell every two seconds.
        per_s = (status["decided"] - decided_before) / (now.time_s - before.time_s)
        decided = now.total("l1chain_crossings_decided_total")
        real_time = per_s * now.total("l1chain_simulated_seconds_total") / decided if decided else 0.0
        return picture(status, now, before) | {"speed": {"crossings_per_s": per_s, "real_time": real_time}}


def picture(status: Json, now: Scrape, before: Scrape) -> Json:
    """What is shown of a run.

    Args:
        status: the answer to the command `status`.
        now: its metrics.
        before: its metrics earlier; an empty reading: rates since the start of the run.
    """
    growth = _Growth(now, before)
    keys = ("run", "state", "problem", "pauses", "lumi_section", "produced", "decided", "accepted", "masked")
    info = next(iter(now.by("l1chain_run_info", "menu", "l1chain")), ("", ""))
    column = next(iter(now.by("l1chain_prescale_column_info", "column")), ("",))[0]
    return {key: status[key] for key in keys} | {
        "menu": info[0],
        "l1chain": info[1],
        "prescale_column": column or None,
        "models": _models(now),
        "changes": status["changes"][-_LATEST_CHANGES:],
        "simulated_seconds": growth.seconds,
        "l1": growth.rate("l1chain_crossings_accepted_total") | {"limit_hz": now.total("l1chain_l1_rate_limit_hz")},
        "final_or": growth.rate("l1chain_crossings_final_or_total"),
        "anomaly_detection": {
            "final": growth.rate("l1chain_ad_accepts_total", step="final"),
            "pure": growth.rate("l1chain_ad_accepts_total", step="pure"),
        },
        "budgets": _budgets(now, growth),
        "acting_budgets": status["budgets"],
        "hlt": _hlt(now, growth),
        "algorithms_on_scores": _on_scores(now, growth),
        "dead_time": _dead_time(now, growth),
        "latency": latencies(now, before),
        "queues": {queue: n for (queue,), n in sorted(now.by("l1chain_queue_batches", "queue").items())},
        "services": services(status, now, before),
    }


class _Growth:
    """How counters grew between two readings.

    Attributes:
        seconds: simulated, of the crossings decided.
        beam_s: of these and of the dead time.
    """

    def __init__(self, now: Scrape, before: Scrape) -> None:
        self._now, self._before = now, before
        self.seconds = self.of("l1chain_simulated_seconds_total")
        self.dead = sum(
            self.of("l1chain_crossings_dead_total", cause=cause)
            for (cause,) in now.by("l1chain_crossings_dead_total", "cause")
        )
        decided = self.of("l1chain_crossings_decided_total")
        self.beam_s = self.seconds * (1 + self.dead / decided) if decided else 0.0

    def of(self, name: str, **labels: str) -> float:
        """The growth of a counter; of one that began again, all of it."""
        now, before = self._now.total(name, **labels), self._before.total(name, **labels)
        return now - before if now >= before else now

    def rate(self, name: str, **labels: str) -> Json:
        """Rate of a counter per decided second, with its error; None if no time went by."""
        return self._per(self.seconds, name, labels)

    def beam_rate(self, name: str, **labels: str) -> Json:
        """The same per second of beam, which has the dead time in it."""
        return self._per(self.beam_s, name, labels)

    def _per(self, seconds: float, name: str, labels: dict[str, str]) -> Json:
        if seconds <= 0:
            return {"hz": None, "error_hz": None}
        rate_hz, error_hz = rate_and_error(round(self.of(name, **labels)), seconds)
        return {"hz": rate_hz, "error_hz": error_hz}


def _budgets(now: Scrape, growth: _Growth) -> list[Json]:
    """What budgets kept and suppressed, per second of beam, as what they allow is (`docs/budgets.md`)."""
    limits = now.by("l1chain_budget_rate_hz", "budget")
    return [
        {
            "budget": name,
            **growth.beam_rate("l1chain_budget_accepts_total", budget=name),
            "limit_hz": limit_hz,
            "suppressed_hz": growth.beam_rate("l1chain_budget_suppressed_crossings_total", budget=name)["hz"],
        }
        for (name,), limit_hz in sorted(limits.items())
    ]


def _hlt(now: Scrape, growth: _Growth) -> Json | None:
    """What the stage after the L1 accept keeps (`docs/hlt.md`); None without one."""
    limits = now.by("l1chain_hlt_rate_limit_hz", "model", "version")
    for (model, version), limit_hz in limits.items():
        kept = growth.rate("l1chain_hlt_crossings_total", step="accepted")
        return {"model": model, "version": version, **kept, "limit_hz": limit_hz}
    return None


def _on_scores(now: Scrape, growth: _Growth) -> list[Json]:
    """Algorithms that are one working point, beside the rate that the run's bunches should give by its calibration."""
    points = now.by("l1chain_algorithm_working_point_info", "algorithm", "model", "working_point")
    calibrated = now.by("l1chain_working_point_rate_hz", "model", "working_point", role="production")
    replicas = now.by("l1chain_model_info", "model", role="production")
    bunches = now.total("l1chain_colliding_bunches")
    told = []
    for algorithm, model, point in sorted(points):
        # Every replica tells of its working points.
        total, n = calibrated.get((model, point)), replicas.get((model,))
        rates = {
            step: growth.rate("l1chain_algorithm_accepts_total", algorithm=algorithm, step=step)["hz"]
            for step in ("fired", "final", "pure")
        }
        told.append(
            {
                "algorithm": algorithm,
                "model": model,
                "working_point": point,
                **{f"{step}_hz": rate_hz for step, rate_hz in rates.items()},
                "calibrated_hz": total / n * bunches / COLLIDING_BUNCHES if total and n else None,
            }
        )
    return told


def _dead_time(now: Scrape, growth: _Growth) -> Json:
    """The part of the crossings that was not taken, and of the final OR that trigger rules blocked."""
    causes = sorted(now.by("l1chain_crossings_dead_total", "cause"))
    dead = {cause: growth.of("l1chain_crossings_dead_total", cause=cause) for (cause,) in causes}
    done = growth.of("l1chain_crossings_decided_total") + growth.dead
    final_or = growth.of("l1chain_crossings_final_or_total")
    blocked = growth.of("l1chain_trigger_rule_blocked_crossings_total")
    return {
        "fraction": growth.dead / done if done else 0.0,
        "causes": {cause: crossings / done for cause, crossings in dead.items() if crossings},
        "trigger_rules": blocked / final_or if final_or else 0.0,
    }


def _models(now: Scrape) -> list[Json]:
    found = now.by("l1chain_model_info", "model", "version", "role")
    return [
        {"model": model, "version": version, "role": role, "replicas": int(n)}
        for (model, version, role), n in sorted(found.items())
        if n
    ]
