"""How fast a whole chain is, at full speed and below it (`docs/performance.md`)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from stream.run.assembly import COMBINER, PRODUCER, Assembly
from stream.run.config import ChainConfig
from stream.run.supervisor import Observers, Supervisor
from stream.wire.transport import Transport
from triggers.events.schema import ORBITS_PER_SECOND

LHC_COLLISIONS_PER_S: Final = 2544 * ORBITS_PER_SECOND
_COPIES_OF_A_SOCKET: Final = 2
"""Into the kernel, and out of it."""

RunChain = Callable[[ChainConfig], dict[str, Any]]
"""Runs a configuration and gives its record."""


@dataclass(frozen=True)
class ChainBenchmark:
    """What is measured.

    Attributes:
        config: the chain; its source is prepared in memory before each run.
        load: fraction of the full speed at which the latency is measured, paced by the clock; None: not at all.
        replicas: numbers of replicas of every stage to measure beside the configured one.
    """

    config: ChainConfig
    load: float | None = None
    replicas: Sequence[int] = ()


def measure_chain(benchmark: ChainBenchmark, run: RunChain | None = None) -> dict[str, Any]:
    """Run a chain at full speed, then paced below it, then with other numbers of replicas.

    Returns:
        what `l1chain bench chain --json` prints (`docs/performance.md`, "What is reported").

    Raises:
        triggers.errors.L1ChainError: the chain cannot be run.
    """
    config, run = benchmark.config, run or run_quietly
    record = run(_prepared(config))
    paced = None if benchmark.load is None else run(_paced(config, benchmark.load, record["crossings_per_s"]))
    return {
        "crossings_per_s": record["crossings_per_s"],
        "cpu_ns_per_crossing": record["cpu_ns_per_crossing"],
        "latency_ms": (paced or record)["latency_ms"],
        "bytes_copied_per_crossing": bytes_copied(record["received_bytes_per_crossing"], config.transport),
        "lhc_fraction": record["crossings_per_s"] / LHC_COLLISIONS_PER_S,
        "source_ns_per_crossing": record["source_ns_per_crossing"],
        "load": None if paced is None else _load(paced, benchmark.load),
        "saturated_latency_ms": record["latency_ms"],
        "scaling": [_scaled(config, n, run) for n in benchmark.replicas],
        "memory": record["memory"],
        "received_bytes_per_crossing": record["received_bytes_per_crossing"],
        "distinct_crossings": config.source.crossings,
        "transport": str(config.transport),
        "batch_crossings": config.batch.crossings,
        "window": config.batch.window,
        "menu": {key: record["menu"][key] for key in ("name", "algorithms", "evaluated", "not_evaluated")},
        "models": record["models"],
        **{key: record[key] for key in ("produced", "decided", "accepted", "seconds", "restarts")},
    }


def run_quietly(config: ChainConfig) -> dict[str, Any]:
    """Run a configuration without showing anything; its folder is temporary."""
    with tempfile.TemporaryDirectory(prefix="l1chain-bench-") as folder:
        settings = config.run.model_copy(update={"out": folder})
        assembly = Assembly(ChainConfig.model_validate(config.model_copy(update={"run": settings}).model_dump()))
        assembly.check()
        return Supervisor(assembly, Observers()).run()


def bytes_copied(received: dict[str, float], transport: Transport) -> float:
    """Bytes copied between services for each crossing, of a prepared source.

    In one process, columns are handed over as they are, and what the combiner and the producer receive was copied once
    when it was encoded. Between processes every byte is copied into the kernel and out of it as well.

    Args:
        received: bytes that each kind of service received, per crossing.
        transport: of the run.
    """
    encoded = received.get(COMBINER, 0.0) + received.get(PRODUCER, 0.0)
    crossed = 0.0 if transport is Transport.INPROC else _COPIES_OF_A_SOCKET * sum(received.values())
    return encoded + crossed


def _prepared(config: ChainConfig) -> ChainConfig:
    return config.model_copy(update={"source": config.source.model_copy(update={"prepare": True})})


def _paced(config: ChainConfig, load: float, full_speed: float) -> ChainConfig:
    factor = load * full_speed / (config.run.colliding_bunches * ORBITS_PER_SECOND)
    return _prepared(config.model_copy(update={"run": config.run.model_copy(update={"pace": factor})}))


def _load(record: dict[str, Any], wanted: float | None) -> dict[str, Any]:
    return {
        "fraction": wanted,
        "crossings_per_s": record["crossings_per_s"],
        "dead": sum(record["dead"].values()),
        "cpu_ns_per_crossing": record["cpu_ns_per_crossing"],
    }


def _scaled(config: ChainConfig, replicas: int, run: RunChain) -> dict[str, Any]:
    stages = {
        "seeds": config.seeds.model_copy(update={"replicas": replicas}),
        "scores": tuple(score.model_copy(update={"replicas": replicas}) for score in config.scores),
    }
    record = run(_prepared(config.model_copy(update=stages)))
    return {
        "replicas": replicas,
        "crossings_per_s": record["crossings_per_s"],
        "cpu_ns_per_crossing": record["cpu_ns_per_crossing"],
    }
