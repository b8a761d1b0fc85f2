"""What the page shows, as JSON values: only what the run has told or written (`docs/page.md`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isinf
from typing import Any, Final

from stream.page.scrape import Scrape
from triggers.decision.settings import simulated_seconds
from triggers.studies.rates import rate_and_error

_ACCEPTS: Final = "l1chain_algorithm_accepts_total"
_SECONDS: Final = "l1chain_simulated_seconds_total"
_LATENCY: Final = "l1chain_batch_latency_seconds"

Row = Mapping[str, Any]
Json = dict[str, Any]


def lumi_sections_told(rows: Iterable[Row], colliding_bunches: int) -> list[Json]:
    """The rates of each lumi section that was decided.

    Rates are per decided second; what budgets kept and suppressed is per second of beam, which has the dead time in it,
    as what they allow is (`docs/budgets.md`, section "Which second").

    Args:
        rows: of the run record.
        colliding_bunches: crossings an orbit.
    """
    told = []
    for row in rows:
        seconds = simulated_seconds(row["decided"], colliding_bunches)
        if not seconds:
            continue
        dead = sum(row["dead"].values())
        beam_s = simulated_seconds(row["decided"] + dead, colliding_bunches)
        ad = row["anomaly_detection"]
        told.append(
            {
                "lumi_section": row["lumi_section"],
                "decided": row["decided"],
                "accepted": row["accepted"],
                "l1_hz": row["accepted_hz"],
                "l1_error_hz": row["accepted_error_hz"],
                "final_or_hz": row["final_or"] / seconds,
                "ad_hz": ad["final"] / seconds,
                "ad_error_hz": rate_and_error(ad["final"], seconds)[1],
                "ad_pure_hz": ad["pure"] / seconds,
                "ad_pure_error_hz": rate_and_error(ad["pure"], seconds)[1],
                "groups": {name: counts["final"] / seconds for name, counts in row["groups"].items()},
                "budgets": {name: counts["final"] / beam_s for name, counts in row["budgets"].items()},
                "suppressed": {name: count / beam_s for name, count in row["suppressed"].items()},
                "budget_control": row.get("budget_control", {}),
                "hlt": row.get("hlt"),
                "dead_fraction": dead / (dead + row["decided"]),
                "prescale_column": row["prescale_column"],
                "model_versions": row.get("model_versions", {}),
                "masked": row["masked"],
            }
        )
    return told


def algorithms_counted(now: Scrape) -> list[Json]:
    """The rates since the start of the run of the algorithms that it exports, highest first."""
    seconds = now.total(_SECONDS)
    counts = now.by(_ACCEPTS, "algorithm", "step")
    told = []
    for name in dict.fromkeys(name for name, _ in counts):
        final_hz, error_hz = rate_and_error(int(counts.get((name, "final"), 0)), seconds)
        told.append(
            {
                "algorithm": name,
                "before_prescale_hz": rate_and_error(int(counts.get((name, "before_prescale"), 0)), seconds)[0],
                "final_hz": final_hz,
                "final_error_hz": error_hz,
                "pure_hz": rate_and_error(int(counts.get((name, "pure"), 0)), seconds)[0],
            }
        )
    return _ranked(told)


def algorithms_written(rates: Iterable[Row]) -> list[Json]:
    """The rates of a run that has ended, from the rows of its `rates.parquet`, highest first."""
    columns = ("algorithm", "before_prescale_hz", "final_hz", "final_error_hz", "pure_hz")
    return _ranked([{name: row[name] for name in columns} for row in rates if row["evaluated"]])


def _ranked(told: list[Json]) -> list[Json]:
    return sorted(told, key=lambda row: (-row["final_hz"], -row["before_prescale_hz"], row["algorithm"]))


def scores_counted(now: Scrape) -> list[Json]:
    """The scores of all crossings since the start of the run, in powers of two, by model version.

    `edges` are the integers at which a bin begins, from 0; `fractions` belong to the bins between them.
    """
    told = [
        _score_histogram({"model": model, "version": version, "role": "scored"}, histogram)
        for (model, version), histogram in sorted(now.histograms("l1chain_score", "model", "version").items())
    ]
    shadows = now.histograms("l1chain_shadow_score", "model", "version", "by")
    told += [
        _score_histogram({"model": model, "version": version, "role": "candidate"}, histogram)
        for (model, version, by), histogram in sorted(shadows.items())
        if by == "candidate"
    ]
    return [scores for scores in told if scores["crossings"]]


def _score_histogram(labels: Json, histogram: Any) -> Json:
    counts = [now - before for now, before in zip(histogram.counts, (0.0, *histogram.counts), strict=False)]
    # A bucket "up to 2^k − 1" ends where the next one, that of 2^k, begins.
    ends = [edge + 1 for edge in histogram.edges if not isinf(edge)]
    filled = [k for k, count in enumerate(counts[: len(ends)]) if count]
    if not filled:
        return labels | {"crossings": 0, "edges": [], "fractions": []}
    first, last = filled[0], filled[-1]
    begin = ends[first - 1] if first else 0
    return labels | {
        "crossings": int(histogram.total),
        "edges": [begin, *ends[first : last + 1]],
        "fractions": [count / histogram.total for count in counts[first : last + 1]],
    }


def latencies(now: Scrape, before: Scrape) -> list[Json]:
    """Median and 99 % of the latency of the batches between two readings, by stage, in ms."""
    found, earlier = (then.histograms(_LATENCY, "stage") for then in (now, before))
    told = []
    for (stage,), histogram in found.items():
        recent = histogram.since(earlier.get((stage,)))
        p50_s, p99_s = recent.quantile(0.5), recent.quantile(0.99)
        if p50_s is not None and p99_s is not None:
            told.append({"stage": stage, "p50_ms": p50_s * 1e3, "p99_ms": p99_s * 1e3, "batches": int(recent.total)})
    return told


def speed(now: Scrape, before: Scrape | None) -> Json | None:
    """Crossings decided in a second, and simulated seconds in a second, between two readings."""
    if before is None or now.time_s <= before.time_s:
        return None
    seconds = now.time_s - before.time_s
    decided, simulated = (
        now.total(name) - before.total(name) for name in ("l1chain_crossings_decided_total", _SECONDS)
    )
    return {"over_s": seconds, "crossings_per_s": decided / seconds, "real_time": simulated / seconds}


def services(status: Row, now: Scrape | None, before: Scrape | None) -> list[Json]:
    """The services of a run: state, and as far as its metrics tell, cost and memory."""
    told = []
    for name, service in status["services"].items():
        row: Json = {
            "service": name,
            "ready": service["ready"],
            "silent_s": service["silent_s"],
            "pid": service["pid"],
            **dict.fromkeys(("cores", "cpu_ns_per_crossing", "memory_bytes", "restarts")),
        }
        if now is not None:
            memory = now.by("l1chain_resident_memory_bytes", "service")
            row["memory_bytes"] = memory.get((name,))
            row["restarts"] = now.by("l1chain_service_restarts_total", "service").get((name,), 0)
            row |= _cost(name, now, before)
        told.append(row)
    return told


def _cost(service: str, now: Scrape, before: Scrape | None) -> Json:
    if before is None or now.time_s <= before.time_s:
        return {}
    spent_s = now.total("l1chain_cpu_seconds_total", service=service) - before.total(
        "l1chain_cpu_seconds_total", service=service
    )
    if spent_s < 0:  # it was started again
        return {}
    decided = now.total("l1chain_crossings_decided_total") - before.total("l1chain_crossings_decided_total")
    per_crossing = spent_s * 1e9 / decided if decided > 0 else None
    return {"cores": spent_s / (now.time_s - before.time_s), "cpu_ns_per_crossing": per_crossing}


def limits(config: Row, now: Scrape | None) -> Json:
    """What rates may be: L1 accepts, and each budget; what the run tells goes before what it was configured with."""
    budgets = {budget["name"]: budget["rate_hz"] for budget in config["budgets"]}
    if now is not None:
        budgets |= {name: rate for (name,), rate in now.by("l1chain_budget_rate_hz", "budget").items()}
    hlt = config.get("hlt")
    return {
        "l1_hz": config["metrics"]["l1_rate_limit_hz"],
        "budgets": budgets,
        "hlt_hz": hlt["rate_hz"] if hlt else None,
    }
