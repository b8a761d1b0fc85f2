"""The run record: what ran, on what, with what result (`docs/run-folder.md`)."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from stream.run.assembly import PRODUCER, Assembly
from stream.run.metrics import Telemetry

RECORD_FILE: Final = "run.json"
_LIBRARIES: Final = ("numpy", "numba", "pyarrow", "onnxruntime", "pyzmq")


def run_record(
    assembly: Assembly, run: int, folder: Path, started: datetime, result: dict[str, Any] | None, telemetry: Telemetry
) -> dict[str, Any]:
    """The record of a run as JSON values.

    Args:
        assembly: what ran.
        run: the run's random number.
        folder: the run's folder.
        started: when it began.
        result: what the combiner told at the end; None if it did not come to that.
        telemetry: the services' last reports.
    """
    record: dict[str, Any] = {
        "l1chain": version("l1chain"),
        "run": f"{run:016x}",
        "run_dir": str(folder),
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": {"cores": os.cpu_count(), "python": platform.python_version()}
        | {name: version(name) for name in _LIBRARIES},
        "config": json.loads(assembly.config.model_dump_json()),
        "source": {"name": assembly.source.info.name, "missing": list(assembly.source.info.missing)},
        "menu": _menu(assembly),
        "models": _models(assembly),
    }
    if result is not None:
        decided = max(result["decided"], 1)
        record |= result
        record["crossings_per_s"] = result["decided"] / result["seconds"] if result["seconds"] > 0 else 0.0
        record["cpu_ns_per_crossing"] = _cpu_by_service(telemetry, decided)
        record["source_ns_per_crossing"] = telemetry.payload(PRODUCER).get("source_ns", 0) / decided
    return record


def write_record(record: dict[str, Any], folder: Path) -> None:
    """Write `run.json`, whole or not at all."""
    temporary = folder / f".{RECORD_FILE}.part"
    temporary.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(folder / RECORD_FILE)


def _menu(assembly: Assembly) -> dict[str, Any]:
    menu, evaluator = assembly.menu, assembly.evaluator
    return {
        "name": menu.name,
        "path": menu.source,
        "digest": menu.digest,
        "algorithms": len(menu.algorithms),
        "evaluated": len(evaluator.evaluated),
        "not_evaluated": dict(evaluator.not_evaluated),
        "on_scores": sorted(evaluator.on_scores),
    }


def _models(assembly: Assembly) -> list[dict[str, Any]]:
    return [
        {
            "stage": stage.stage,
            "name": stage.version.manifest.name,
            "version": stage.version.manifest.version,
            "digest": stage.version.digest,
            "backend": stage.section.backend,
            "replicas": stage.section.replicas,
        }
        for stage in assembly.score_stages
    ]


def _cpu_by_service(telemetry: Telemetry, decided: int) -> dict[str, float]:
    """CPU ns per crossing of each kind of service, replicas added up; the source's own time is left out."""
    spent: dict[str, float] = {}
    for service, cpu_ns in telemetry.cpu_ns().items():
        kind = service.rpartition(".")[0] or service
        spent[kind] = spent.get(kind, 0.0) + cpu_ns
    if PRODUCER in spent:
        spent[PRODUCER] -= telemetry.payload(PRODUCER).get("source_ns", 0)
    per_crossing = {kind: total / decided for kind, total in spent.items()}
    return {**per_crossing, "total": sum(per_crossing.values())}
