"""How ONNX Runtime runs all graphs: on one thread, and without files that a graph names."""

from __future__ import annotations

import os
from typing import Final

import onnxruntime

_FATAL_ONLY: Final = 4


def session_options() -> onnxruntime.SessionOptions:
    """Options of a session that uses the calling thread only."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _FATAL_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # no file exists below this "folder": a graph cannot bring in weights that the manifest does not list
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    return options
