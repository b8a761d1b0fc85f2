"""Fixed-point networks in ONNX Runtime, bit for bit (`docs/networks.md`, "Backends")."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import ArrayLike, NDArray

from models.backends.fixed import input_codes
from models.backends.geometric_mean import geometric_means
from models.backends.network_parts import codes_of_values, layers_alone
from models.backends.onnx import OnnxBackend
from models.backends.onnx_graph import INPUT_NAME, onnx_network
from models.backends.onnx_session import session_options
from models.backends.protocol import Backend
from models.backends.version_backend import VersionBackend
from models.inputs import Columns, InputTable, fill_inputs, input_table, n_crossings
from models.network import NETWORK_FILE, Network
from models.repository import LoadedVersion


class OnnxScorer:
    """A network's graph in ONNX Runtime, for codes of its input tensor; belongs to one thread."""

    def __init__(self, network: Network) -> None:
        """Builds and loads the graph.

        Raises:
            BackendLimit: a number needs more than 63 bits, or a layer too many nodes.
        """
        self.network: Final = network
        self.graph: Final = onnx_network(network)
        self._session: Final = onnxruntime.InferenceSession(
            self.graph.content, session_options(), providers=["CPUExecutionProvider"]
        )

    def run(self, codes: NDArray[Any]) -> NDArray[Any]:
        """The codes of the graph's output, of codes `(n, n_inputs)` of the graph's input type."""
        (output,) = self._session.run(None, {INPUT_NAME: codes})
        result: NDArray[Any] = output
        return result

    def score(self, codes: NDArray[Any]) -> NDArray[np.int32]:
        """The menu's score integers `(n,)` of codes `(n, n_inputs)`."""
        output, tensor = self.run(codes), self.graph.output
        if tensor.name == self.network.score_tensor:
            scores: NDArray[np.int32] = output.reshape(-1)
            return scores
        return geometric_means(output, tensor.types[0].fraction_bits, self.network.score_type).astype(np.int32)

    def score_inputs(self, inputs: ArrayLike) -> NDArray[np.int64]:
        """The menu's score integers `(n,) int64` of inputs `(n, n_inputs)`, before the network's scaling.

        Raises:
            InputsInvalid: the inputs are not finite numbers of that shape.
        """
        codes = input_codes(self.network, inputs)
        return self.score(codes.reshape(len(codes), self.network.n_inputs).astype(self.graph.input_dtype)).astype(
            np.int64
        )


class ExactOnnxBackend(VersionBackend):
    """Scores crossings with a version's `network.json`, in ONNX Runtime; belongs to one thread."""

    def __init__(self, version: LoadedVersion, block_rows: int = 8192) -> None:
        """Builds the graph.

        Args:
            version: what to run.
            block_rows: crossings at a time; no effect on scores.

        Raises:
            FileNotListed: the version has no `network.json`.
            NetworkInvalid, UnknownName, BadValue: it is damaged.
            BackendLimit: a number needs more than 63 bits, or a layer too many nodes.
        """
        super().__init__(version)
        self.network: Final = version.network
        self._scorer: Final = OnnxScorer(self.network)
        self._block: Final = np.empty((block_rows, self.network.n_inputs), self._scorer.graph.input_dtype)

    @cached_property
    def _table(self) -> InputTable:
        return input_table(self._version.layout, codes_of_values(self.network, self._version.layout))

    def score(self, columns: Columns) -> NDArray[np.int32]:
        """The menu's score integer of each crossing, `(n,) int32`, from packed words.

        Raises:
            InputsInvalid: an input cannot be made of packed words, or a column is not of the event format's shape.
        """
        scores = np.empty(n_crossings(self._version.layout, columns), np.int32)
        for rows in self._blocks(len(scores)):
            scores[rows] = self._scorer.score(self._codes(columns, rows))
        return scores

    def score_inputs(self, inputs: ArrayLike) -> NDArray[np.int64]:
        """The menu's score integer `(n,) int64` of inputs `(n, n_inputs)` in hardware units.

        Raises:
            InputsInvalid: the inputs are not finite numbers of that shape.
        """
        return self._scorer.score_inputs(inputs)

    def steps(self) -> Mapping[str, Callable[[Columns], None]]:
        """What a measurement calls: each does what `score` does up to the end of one step."""
        layers = OnnxScorer(layers_alone(self.network))

        def inputs_made(columns: Columns) -> None:
            for rows in self._blocks(n_crossings(self._version.layout, columns)):
                self._codes(columns, rows)

        def layers_run(columns: Columns) -> None:
            for rows in self._blocks(n_crossings(self._version.layout, columns)):
                layers.run(self._codes(columns, rows))

        def scored(columns: Columns) -> None:
            self.score(columns)

        return {"inputs": inputs_made, "layers": layers_run, "score": scored}

    def _blocks(self, n_rows: int) -> Iterator[slice]:
        for start in range(0, n_rows, len(self._block)):
            yield slice(start, min(start + len(self._block), n_rows))

    def _codes(self, columns: Columns, rows: slice) -> NDArray[Any]:
        part = {name: columns[name][rows] for name in self.needed_columns}
        block = self._block[: rows.stop - rows.start]
        fill_inputs(part, self._table, block)
        return block


def open_onnx(version: LoadedVersion) -> Backend:
    """The backend `onnxruntime`: a graph made from the version's `network.json` if it has one, else its own graph.

    Raises:
        ModelError: as `ExactOnnxBackend` and `models.backends.onnx.OnnxBackend`.
    """
    return ExactOnnxBackend(version) if NETWORK_FILE in version.files else OnnxBackend(version)
