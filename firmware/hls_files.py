"""The C++ files of an HLS project, in hls4ml's layout (`docs/firmware.md`, "Project")."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from firmware.hls4ml_package import own_headers
from firmware.hls_design import INPUT, SCORE, Design, Numbers
from firmware.hls_strategies import Strategy
from firmware.hls_types import literals
from models.backends.fixed import given_codes, given_numbers, score
from models.network import Network

EXPORTED: Final = "l1chain_score"
"""The function that scores a batch: the only one that the compiled object shows."""
TRACE: Final = "l1chain_trace"
"""Another one, if compiled with `-DL1CHAIN_TRACE`, that writes the codes of all layers."""

_TEMPLATES: Final = "project"
_NAME: Final = re.compile(r"@(\w+)@")


def source_files(design: Design, top: str, n_inputs: int, code_type: str) -> Mapping[str, str]:
    """Text by path.

    Args:
        design: what the project is made of.
        top: name of the function, its namespace and its files.
        n_inputs: of the function.
        code_type: C type of the codes that the batch function reads.
    """
    weights = {f"firmware/weights/{numbers.name}.h": _constants(numbers, top) for numbers in design.numbers}
    values = {
        "top": top,
        "TOP": top.upper(),
        "x": INPUT,
        "score": SCORE,
        "n_inputs": n_inputs,
        "types": "\n".join(f"typedef {cpp} {name};" for name, cpp in design.types.items()),
        "headers": "\n".join(f'#include "nnet_utils/{name}"' for name in sorted(design.headers)),
        "weights": "\n".join(f'#include "weights/{numbers.name}.h"' for numbers in design.numbers),
        "configs": "\n\n".join(design.configs),
        "statements": textwrap.indent("\n".join(design.statements).rstrip(), "    "),
        "exported": EXPORTED,
        "trace": TRACE,
        "code_type": code_type,
        "pipeline": "DATAFLOW" if design.strategy is Strategy.RESOURCE else "PIPELINE",
    }
    paths = {
        "defines.h": "firmware/defines.h",
        "parameters.h": "firmware/parameters.h",
        "top.h": f"firmware/{top}.h",
        "top.cpp": f"firmware/{top}.cpp",
        "bridge.cpp": f"{top}_bridge.cpp",
        "csim.cpp": f"{top}_csim.cpp",
        "test.cpp": f"{top}_test.cpp",
    }
    return weights | {path: _filled(name, values) for name, path in paths.items()}


def _filled(template: str, values: Mapping[str, object]) -> str:
    """A file of `cpp/project` with the values in place of the names between `@`."""
    text = (own_headers() / _TEMPLATES / template).read_text(encoding="utf-8")
    return _NAME.sub(lambda found: str(values[found[1]]), text)


def _constants(numbers: Numbers, namespace: str) -> str:
    codes, fraction_bits = numbers.codes, numbers.fraction_bits
    values = np.ldexp(codes.astype(np.float64), -fraction_bits)
    written = {
        "NAME": numbers.name.upper(),
        "name": numbers.name,
        "type": numbers.type_name,
        "shape": list(codes.shape),
        "min": f"{values.min():.12f}",
        "max": f"{values.max():.12f}",
        "zeros": int((codes == 0).sum()),
        "size": codes.size,
        "top": namespace,
        "values": ", ".join(literals(codes, fraction_bits)),
    }
    return _filled("constants.h", written)


def test_bench_files(network: Network, inputs: ArrayLike) -> Mapping[str, str]:
    """What the test bench reads: a crossing a line, and the score that it must give.

    Raises:
        InputsInvalid: the inputs are not finite numbers `(n, n_inputs)`.
        ValueError: float64, which the test bench reads, does not hold one of them.
    """
    numbers = given_numbers(network, inputs)
    written = literals(given_codes(numbers, network.given_type), network.given_type.fraction_bits)
    n = network.n_inputs
    rows = (" ".join(written[start : start + n]) for start in range(0, len(written), n))
    scores = literals(score(network, numbers), network.score_type.fraction_bits)
    return {
        "tb_data/tb_input_features.dat": "".join(f"{row}\n" for row in rows),
        "tb_data/tb_output_predictions.dat": "".join(f"{one}\n" for one in scores),
    }
