"""The runtime that MLServer loads in `l1chain bench compare`.

It is copied beside the model, and knows nothing of l1chain.
MLServer and ONNX Runtime belong to the environment of the server.
"""

from __future__ import annotations

import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver.utils import get_model_uri


class OnnxModel(MLModel):  # type: ignore[misc]  # MLServer is not in this environment
    """Serves an ONNX graph with one input and one output."""

    async def load(self) -> bool:
        """Open the graph, on one thread."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        path = await get_model_uri(self._settings)
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._input, self._output = self._session.get_inputs()[0].name, self._session.get_outputs()[0].name
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Run the graph on the request's one tensor."""
        inputs = NumpyCodec.decode_input(payload.inputs[0])
        (outputs,) = self._session.run([self._output], {self._input: inputs})
        answer = NumpyCodec.encode_output(self._output, outputs)
        return InferenceResponse(model_name=self.name, outputs=[answer])
