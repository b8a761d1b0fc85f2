"""A network behind HTTP, as users serve models: MLServer, which speaks the Open Inference Protocol."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.manifest import ONNX_FILE
from models.repository import LoadedVersion
from stream.wire.transport import LOOPBACK
from triggers.errors import BadValue

_RUNTIME: Final = "mlserver_runtime.py"
_START_S: Final = 120.0
_AGAIN_S: Final = 0.25
_HTTP_OK: Final = 200
_NAME: Final = "network"
_DATATYPES: Final = {"float32": "FP32", "float64": "FP64", "int8": "INT8", "int16": "INT16", "int32": "INT32"}


class InferenceClient:
    """Asks a server for the outputs of one model, over one connection.

    Args:
        port: of the server on this host.
        tensor: name of the model's input.
        pid: process of the server.
    """

    def __init__(self, port: int, tensor: str, pid: int) -> None:
        self._connection = http.client.HTTPConnection(LOOPBACK, port, timeout=60)
        self._tensor, self._pid = tensor, pid

    def infer(self, inputs: NDArray[Any]) -> list[Any]:
        """The outputs of inputs `(n, n_inputs)`, flat.

        Raises:
            BadValue: the server refuses them.
        """
        datatype = _DATATYPES[inputs.dtype.name]
        tensor = {"name": self._tensor, "shape": inputs.shape, "datatype": datatype, "data": inputs.ravel().tolist()}
        body = json.dumps({"inputs": [tensor]})
        self._connection.request("POST", f"/v2/models/{_NAME}/infer", body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        content = response.read()
        if response.status != _HTTP_OK:
            raise BadValue("inference server", content[:200].decode(errors="replace"), "see its log")
        data: list[Any] = json.loads(content)["outputs"][0]["data"]
        return data

    def is_ready(self) -> bool:
        """Whether the model is loaded."""
        try:
            self._connection.request("GET", f"/v2/models/{_NAME}/ready")
            response = self._connection.getresponse()
            response.read()
        except OSError:
            self._connection.close()
            return False
        return response.status == _HTTP_OK

    def server_cpu_ns(self) -> int:
        """CPU time of the server's process so far."""
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        ticks = sum(map(int, fields[_USER_TICKS : _USER_TICKS + 2]))
        return ticks * (1_000_000_000 // os.sysconf("SC_CLK_TCK"))


_USER_TICKS: Final = 11
"""Fields of /proc/PID/stat behind the name, before user time and system time."""


def find_server(path: Path | None) -> Path | None:
    """The `mlserver` program: the one given, or that on the path of programs; None if there is none."""
    if path is not None:
        return path
    found = shutil.which("mlserver")
    return None if found is None else Path(found)


@contextmanager
def serving(program: Path, version: LoadedVersion, tensor: str) -> Iterator[InferenceClient]:
    """A server of a version's ONNX graph on a free port of this host, while entered.

    Args:
        program: `mlserver`; its environment needs onnxruntime as well.
        version: has an ONNX graph.
        tensor: name of the graph's input.

    Raises:
        BadValue: it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="l1chain-mlserver-") as name:
        folder = Path(name)
        port = _write_settings(folder, version)
        with (folder / "log").open("w+") as log:
            environment = {"PATH": os.environ.get("PATH", ""), "HOME": name}
            process = subprocess.Popen(  # noqa: S603 — the program that the user named
                [program, "start", folder], stdout=log, stderr=log, cwd=folder, env=environment
            )
            try:
                client = InferenceClient(port, tensor, process.pid)
                _await_ready(client, process, folder / "log")
                yield client
            finally:
                process.terminate()
                process.wait()


def _await_ready(client: InferenceClient, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while not client.is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            last = " ".join(log.read_text(errors="replace").split()[-30:])
            raise BadValue("inference server", f"mlserver does not start: {last}", "pip install mlserver onnxruntime")
        time.sleep(_AGAIN_S)


def _write_settings(folder: Path, version: LoadedVersion) -> int:
    ports = _free_ports(3)
    settings = {"host": LOOPBACK, "parallel_workers": 0, "debug": False}
    settings |= dict(zip(("http_port", "grpc_port", "metrics_port"), ports, strict=True))
    model = {"name": _NAME, "implementation": "mlserver_runtime.OnnxModel", "parameters": {"uri": f"./{ONNX_FILE}"}}
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(model))
    (folder / ONNX_FILE).write_bytes(version.file(ONNX_FILE, "an inference server"))
    (folder / _RUNTIME).write_text(resources.files("stream.run").joinpath(_RUNTIME).read_text())
    return ports[0]


def _free_ports(n: int) -> Sequence[int]:
    sockets = [socket.create_server((LOOPBACK, 0)) for _ in range(n)]
    ports = [found.getsockname()[1] for found in sockets]
    for found in sockets:
        found.close()
    return ports


def as_requests(inputs: NDArray[Any], rows: int) -> list[NDArray[Any]]:
    """Inputs cut into requests of so many rows."""
    return [np.ascontiguousarray(inputs[start : start + rows]) for start in range(0, len(inputs), rows)]
