"""The run record: what ran, on what, with what result (`docs/run-folder.md`)."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from stream.errors import FolderUnwritable
from stream.run.assembly import PRODUCER, Assembly
from stream.run.metrics import Telemetry
from stream.services.sinks.checkpoint import write_whole
from triggers.errors import BadValue
from triggers.menu.lacking import lacking_of_menu

RECORD_FILE: Final = "run.json"
_LIBRARIES: Final = ("numpy", "numba", "pyarrow", "onnxruntime", "pyzmq")


class RunEnd(StrEnum):
    """Whether a run came to its end, in the record as `state`."""

    OPEN = "open"
    """it is running, or it can be resumed"""
    ENDED = "ended"


def opening_record(assembly: Assembly, run: int, folder: Path, started: datetime) -> dict[str, Any]:
    """What is known of a run before it begins, as JSON values.

    Args:
        assembly: what runs.
        run: the run's random number.
        folder: the run's folder.
        started: when it began.
    """
    return {
        "l1chain": version("l1chain"),
        "run": f"{run:016x}",
        "run_dir": str(folder),
        "state": RunEnd.OPEN,
        "started": started.isoformat(timespec="seconds"),
        "finished": None,
        "host": {"cores": os.cpu_count(), "python": platform.python_version()}
        | {name: version(name) for name in _LIBRARIES},
        "config": json.loads(assembly.pinned.model_dump_json()),
        "source": {"name": assembly.source.info.name, "missing": list(assembly.source.info.missing)},
        "menu": _menu(assembly),
        "models": _models(assembly),
        "hlt_stage": assembly.hlt and assembly.hlt.as_json(),
    }


def run_record(opening: dict[str, Any], result: dict[str, Any] | None, telemetry: Telemetry) -> dict[str, Any]:
    """The record of a run as JSON values.

    Args:
        opening: `opening_record`.
        result: what the combiner told at the end; None if it did not come to that: the run can be resumed.
        telemetry: the services' last reports.
    """
    record = opening | {"finished": datetime.now(UTC).isoformat(timespec="seconds")}
    if result is not None:
        decided = max(result["decided"], 1)
        record |= {"state": RunEnd.ENDED} | result
        record["crossings_per_s"] = result["decided"] / result["seconds"] if result["seconds"] > 0 else 0.0
        record["cpu_ns_per_crossing"] = _cpu_by_service(telemetry, decided)
        record["source_ns_per_crossing"] = telemetry.payload(PRODUCER).get("source_ns", 0) / decided
        record["restarts"] = telemetry.restarts
        record["received_bytes_per_crossing"] = _received_by_service(telemetry, decided)
        record["memory"] = {service: curve.summary() for service, curve in telemetry.memory.items()}
    return record


def check_inputs(record: dict[str, Any], assembly: Assembly) -> None:
    """Check that a run to be resumed has the menu and the models that it had.

    Raises:
        BadValue: something is another one.
    """
    now = {"menu": _menu(assembly)["digest"]} | {m["stage"]: m["digest"] for m in _models(assembly)}
    then = {"menu": record["menu"]["digest"]} | {m["stage"]: m["digest"] for m in record["models"]}
    if assembly.hlt is not None:
        now |= {"hlt": assembly.hlt.version.digest}
        then |= {"hlt": record["hlt_stage"]["digest"]}
    for what in then.keys() | now.keys():
        if then.get(what) != now.get(what):
            remedy = "bring back what the run began with, or start a new one"
            raise BadValue(record["run_dir"], f"{what} is another one than when the run began", remedy)


def write_record(record: dict[str, Any], folder: Path) -> None:
    """Write `run.json`, whole or not at all.

    Raises:
        FolderUnwritable: it cannot be written.
    """
    content = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    try:
        write_whole(folder / RECORD_FILE, content.encode())
    except OSError as error:
        raise FolderUnwritable(folder, f"{RECORD_FILE} cannot be written ({error.strerror})") from error


def _source(assembly: Assembly) -> dict[str, Any]:
    about = assembly.source.info
    return {
        "name": about.name,
        "missing": list(about.missing),
        "lacking": list(about.lacking),
        "algorithms_that_look_at_lacking": lacking_of_menu(assembly.menu, about.lacking),
    }


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
            "aliases": list(stage.aliases),
            "also": {version.manifest.version: version.digest for version in stage.also},
            "backend": stage.section.backend,
            "replicas": stage.section.replicas,
        }
        for stage in assembly.score_stages
    ]


def _received_by_service(telemetry: Telemetry, decided: int) -> dict[str, float]:
    """Bytes that each kind of service received of others, per crossing, replicas added up."""
    received: dict[str, float] = {}
    for service, payload in telemetry.payloads():
        kind = service.rpartition(".")[0] or service
        received[kind] = received.get(kind, 0.0) + payload.get("received_bytes", 0) / decided
    return received


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
