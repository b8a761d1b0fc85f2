"""The backend `onnxruntime`: the version's ONNX graph on the CPU, one thread (`docs/models.md`, "Backends")."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import ArrayLike, NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as onnx_errors

from models.backends.onnx_session import session_options
from models.backends.version_backend import VersionBackend
from models.errors import InputsInvalid, ManifestInvalid, NetworkUnreadable
from models.inputs import Columns, InputLayout, InputTable, fill_inputs, hardware_inputs, input_table, n_crossings
from models.manifest import MANIFEST_FILE, ONNX_FILE
from models.repository import LoadedVersion
from models.scaling import InputScaling

_LOAD_ERRORS: Final = (
    onnx_errors.Fail,
    onnx_errors.InvalidArgument,
    onnx_errors.InvalidGraph,
    onnx_errors.InvalidProtobuf,
    onnx_errors.NoSuchFile,
    onnx_errors.NotImplemented,
    onnx_errors.RuntimeException,
)


class OnnxBackend(VersionBackend):
    """Scores crossings with a version's ONNX graph: network inputs `(n, n_inputs)` in, network outputs out, float32."""

    def __init__(self, version: LoadedVersion, block_rows: int = 4096) -> None:
        """Prepares the graph for the calling thread.

        Args:
            version: what to run.
            block_rows: crossings at a time, so that their activations stay in the cache; no effect on scores.

        Raises:
            FileNotListed: the version has no ONNX graph.
            ManifestInvalid: the manifest does not state the graph's inputs and score.
            NetworkUnreadable: the graph is damaged, or does not fit the manifest.
        """
        manifest = version.manifest
        if manifest.inputs is None or manifest.score is None:
            raise ManifestInvalid(version.folder / MANIFEST_FILE, f"states no inputs and score of {ONNX_FILE}")
        super().__init__(version)
        self._n_inputs: Final = len(manifest.inputs.listed)
        self._scaling: Final = manifest.inputs.rule
        self._table: Final = _table(version.layout, manifest.inputs.scaling) if manifest.inputs.scaling else None
        self._score: Final = manifest.score
        self._session: Final = _session(version, self._n_inputs)
        self._input_name: Final[str] = self._session.get_inputs()[0].name
        self._block: Final = np.empty((block_rows, self._n_inputs), np.float32)

    def score(self, columns: Columns) -> NDArray[np.int32]:
        """The menu's score integer of each crossing, `(n,) int32`, from packed words.

        Raises:
            InputsInvalid: an input cannot be made of packed words, or a column is not of the event format's shape.
        """
        layout = self._version.layout
        integers = np.empty(n_crossings(layout, columns), np.int32)
        for rows in self._blocks(len(integers)):
            block = self._block[: rows.stop - rows.start]
            words = {name: columns[name][rows] for name in layout.columns}
            if self._table is None:
                block[:] = self._scaling.apply(hardware_inputs(layout, words))
            else:
                fill_inputs(words, self._table, block)
            integers[rows] = self._run(block)
        return integers

    def score_inputs(self, inputs: ArrayLike) -> NDArray[np.int64]:
        """The menu's score integer `(n,) int64` of inputs `(n, n_inputs)` in hardware units.

        Raises:
            InputsInvalid: the inputs are not finite numbers of that shape.
        """
        values = np.asarray(inputs)
        if values.ndim != 2 or values.shape[1] != self._n_inputs or values.dtype.kind not in "iuf":
            raise InputsInvalid(
                "inputs", f"{values.dtype} of shape {values.shape}", f"numbers of shape (n, {self._n_inputs})"
            )
        if not np.isfinite(values).all():
            raise InputsInvalid("inputs", "infinite or undefined numbers", "finite ones")
        integers = np.empty(len(values), np.int64)
        for rows in self._blocks(len(integers)):
            integers[rows] = self._run(self._scaling.apply(values[rows]))
        return integers

    def _blocks(self, n_rows: int) -> Iterator[slice]:
        for start in range(0, n_rows, len(self._block)):
            yield slice(start, min(start + len(self._block), n_rows))

    def _run(self, network_inputs: NDArray[np.float32]) -> NDArray[np.int32]:
        (outputs,) = self._session.run(None, {self._input_name: network_inputs})
        return self._score.integers(outputs)


def _table(layout: InputLayout, scaling: InputScaling) -> InputTable:
    """What to write for each value of each field, scaled."""
    unit = 2.0**-scaling.network_input_type.fraction_bits
    return input_table(layout, (scaling.apply(layout.values()) / unit).astype(np.int64), unit)


def _session(version: LoadedVersion, n_inputs: int) -> onnxruntime.InferenceSession:
    path = version.folder / ONNX_FILE
    try:
        session = onnxruntime.InferenceSession(
            version.file(ONNX_FILE, "backend onnxruntime"), session_options(), providers=["CPUExecutionProvider"]
        )
    except _LOAD_ERRORS as error:
        raise NetworkUnreadable(path, f"no usable ONNX graph ({' '.join(str(error).split())})") from None
    found = [[(tensor.type, tensor.shape) for tensor in part] for part in (session.get_inputs(), session.get_outputs())]
    match found:
        case [[("tensor(float)", [_, n])], [("tensor(float)", [_, _])]] if n == n_inputs:
            return session
    raise NetworkUnreadable(path, f"maps {found[0]} to {found[1]}, not (n, {n_inputs}) float to (n, n_outputs) float")
