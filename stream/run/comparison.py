"""The chain beside what a user would write instead, in the same run (`docs/performance.md`, "Beside other ways")."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
import pyarrow as pa
from numpy.typing import NDArray

from models.backends.onnx_session import session_options
from models.backends.registry import open_backend
from models.inputs import hardware_inputs
from models.manifest import ONNX_FILE
from models.repository import LoadedVersion
from stream.run.assembly import Assembly, ScoreStage
from stream.run.chain_benchmark import ChainBenchmark, RunChain, measure_chain
from stream.run.config import ChainConfig
from stream.run.inference_server import as_requests, find_server, serving
from triggers.decision.settings import DecisionSettings
from triggers.errors import BadValue
from triggers.events.crossings import column_view
from triggers.events.schema import ALGORITHM_SLOTS
from triggers.menu.conditions.expression import evaluate_oracle

SCRIPT_BATCH: Final = 4096
REQUEST_ROWS: Final = 1024
_NUMBERS: Final[dict[str, type[np.generic]]] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int32)": np.int32,
}


@dataclass(frozen=True)
class Measured:
    """A way to do the work.

    Attributes:
        crossings: that it did.
        seconds: wall-clock time.
        cpu_ns: CPU time of all processes that took part.
    """

    crossings: int
    seconds: float
    cpu_ns: int

    def report(self, chain_per_s: float, chain_cpu_ns: float) -> dict[str, float]:
        """Speeds, and how many times as fast the chain is by the clock and by CPU time."""
        cpu_ns = self.cpu_ns / self.crossings
        per_s = self.crossings / self.seconds
        return {
            "crossings": self.crossings,
            "crossings_per_s": per_s,
            "cpu_ns_per_crossing": cpu_ns,
            "throughput_ratio": chain_per_s / per_s,
            "cpu_ratio": cpu_ns / chain_cpu_ns,
        }


def compare(config: ChainConfig, crossings: int, mlserver: Path | None, run: RunChain | None = None) -> dict[str, Any]:
    """Measure the chain, then the same work as a NumPy script, and its network behind HTTP.

    Args:
        config: of the chain; it has a score stage.
        crossings: that each of the others does: they are too slow for those of the chain.
        mlserver: the program `mlserver`; None: the one on the path.
        run: runs a configuration.

    Raises:
        BadValue: the chain has no network.
        triggers.errors.L1ChainError: the chain cannot be run, or the server does not start.
    """
    assembly = Assembly(config)
    if not assembly.score_stages:
        raise BadValue("scores", "the chain has no network to compare", "name one with --model")
    chain = measure_chain(ChainBenchmark(config), run)
    per_s, cpu = chain["crossings_per_s"], chain["cpu_ns_per_crossing"]
    stage = assembly.score_stages[0]
    script = numpy_script(assembly, crossings)
    found = find_server(mlserver)
    result: dict[str, Any] = {
        "chain": {key: chain[key] for key in ("crossings_per_s", "cpu_ns_per_crossing", "lhc_fraction")},
        "numpy_script": script.report(per_s, cpu["total"]),
        "inference_server": None,
        "missing": None,
    }
    if found is None:
        result["missing"] = "no `mlserver`: pip install mlserver onnxruntime, anywhere, and name it with --mlserver"
    else:
        server = inference_server(assembly, stage, crossings, found)
        # The server does the network only: it is held against the stage that does so.
        result["inference_server"] = server.report(per_s, cpu[stage.stage])
    return result


def numpy_script(assembly: Assembly, crossings: int) -> Measured:
    """A menu as NumPy expressions, a network in ONNX Runtime, prescales by running counts; in one thread.

    The conditions are those of the oracle, vectorised over a batch; the inputs of the network are made by l1chain's own
    compiled code, which is better than a script would have it.
    """
    stage = assembly.score_stages[0]
    backend = open_backend("onnxruntime", stage.version)
    settings, counters = assembly.decision, np.zeros(ALGORITHM_SLOTS, np.int64)

    def work(batch: pa.RecordBatch) -> None:
        columns = {name: column_view(batch.column(name)) for name in backend.needed_columns}
        scores = dict.fromkeys(stage.names, backend.score(columns))
        bits = evaluate_oracle(assembly.menu, batch, scores, assembly.thresholds)
        prescaled(bits, settings, counters).any(axis=1)

    return _measure(work, _batches(assembly, crossings, SCRIPT_BATCH))


def prescaled(bits: NDArray[np.bool_], settings: DecisionSettings, counters: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The bits that prescales let pass, by running counts, `(n, 512) bool`.

    Args:
        bits: before the prescale, `(n, 512) bool`.
        settings: with the prescale factors.
        counters: bits of each algorithm so far, `(512,) int64`, changed.
    """
    used = np.flatnonzero(settings.factors)
    passed = np.zeros_like(bits)
    counts = counters[used] + np.cumsum(bits[:, used], axis=0)
    factors = settings.factors[used]
    # The n-th bit passes where n × 100 reaches the next multiple of the factor.
    passed[:, used] = bits[:, used] & (counts * 100 // factors > (counts - 1) * 100 // factors)
    counters[used] = counts[-1]
    return passed


def inference_server(assembly: Assembly, stage: ScoreStage, crossings: int, program: Path) -> Measured:
    """The network alone behind MLServer on this host, asked over HTTP for batches of crossings."""
    version = stage.version
    name, dtype = _graph_input(version)
    batches = _batches(assembly, crossings, SCRIPT_BATCH)
    inputs = np.concatenate(
        [
            hardware_inputs(version.layout, {c: column_view(b.column(c)) for c in version.layout.columns})
            for b in batches
        ]
    ).astype(dtype)
    with serving(program, version, name) as client:
        client.infer(inputs[:REQUEST_ROWS])
        before = client.server_cpu_ns()
        measured = _measure(client.infer, iter(as_requests(inputs, REQUEST_ROWS)))
        spent = client.server_cpu_ns() - before
    return Measured(measured.crossings, measured.seconds, measured.cpu_ns + spent)


def _graph_input(version: LoadedVersion) -> tuple[str, type[np.generic]]:
    session = onnxruntime.InferenceSession(version.file(ONNX_FILE, "an inference server"), session_options())
    (tensor,) = session.get_inputs()
    if tensor.type not in _NUMBERS:
        raise BadValue(version.label, f"its graph takes {tensor.type}", f"choose one that takes {', '.join(_NUMBERS)}")
    return tensor.name, _NUMBERS[tensor.type]


def _batches(assembly: Assembly, crossings: int, size: int) -> Iterator[pa.RecordBatch]:
    left = crossings
    for batch in assembly.source.batches(size):
        if left <= 0:
            return
        yield batch.slice(0, left)
        left -= len(batch)


def _measure(work: Callable[[Any], object], parts: Iterator[Any]) -> Measured:
    """The time of work on prepared parts; making them does not count."""
    prepared = list(parts)
    begun, cpu = time.perf_counter(), time.thread_time_ns()
    for part in prepared:
        work(part)
    return Measured(sum(map(len, prepared)), time.perf_counter() - begun, time.thread_time_ns() - cpu)
