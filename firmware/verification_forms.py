"""The forms of a version that are compared with `fixed`: C simulations, logic, RTL (`docs/firmware.md`, "Verify")."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from firmware.build_requests import BuildRequest, Tool
from firmware.designs import rtl_design, rtl_pipeline
from firmware.hls_build import BuildSettings, Flavour
from firmware.hls_strategies import Strategy
from firmware.imports.bundle import BUNDLE_FILE
from firmware.imports.triggerflow import EMULATOR_FILE
from firmware.ports import fitting_rows, port_types
from firmware.verification_inputs import Inputs
from models.backends.fixed import given_values
from models.backends.registry import open_backend
from models.repository import LoadedVersion

DEFAULT_REUSE: Final = 4
"""Of the strategy `resource`: its functions do something of their own above 1."""
IMPORTED: Final = "imported C++"
LOGIC: Final = "da4ml logic"
_HLS_BACKEND: Final = "hls4ml"


@dataclass(frozen=True)
class Form:
    """One form of a version, ready to run.

    Attributes:
        score: the menu's integer `(n,) int64` of inputs `(n, n_inputs)`.
        takes: which of the inputs it can be given; None: all.
        layers: the codes `(n, *shape)` of every tensor by name, if it can tell them.
        compiled: the object that it runs; forms of one object have the same scores.
    """

    score: Callable[[Inputs], NDArray[np.int64]]
    takes: Callable[[Inputs], NDArray[np.bool_]] | None = None
    layers: Callable[[Inputs], Mapping[str, NDArray[np.int64]]] | None = None
    compiled: Path | None = None


FormOpener = Callable[[LoadedVersion, BuildRequest, ExitStack], Form]
"""Makes a form; what it has to clean up goes to the stack."""


def forms_of(
    loaded: LoadedVersion, reuse: int = DEFAULT_REUSE, tools: tuple[Tool, ...] = tuple(Tool)
) -> Mapping[str, FormOpener]:
    """What can be compared, by name: all that `firmware.builds.build` makes, and C++ that was imported.

    Args:
        loaded: the version.
        reuse: factor of the strategy `resource`.
        tools: whose forms are wanted.
    """
    forms: dict[str, FormOpener] = {}
    if Tool.HLS4ML in tools:
        if {BUNDLE_FILE, EMULATOR_FILE} & set(loaded.files):
            forms[IMPORTED] = _opened_backend(_HLS_BACKEND)
        for flavour in Flavour:
            for strategy in Strategy:
                factor = reuse if strategy is Strategy.RESOURCE else 1
                settings = BuildSettings(flavour, strategy=strategy, reuse=factor)
                forms[csim_name(flavour, strategy, factor)] = partial(_csim, settings)
    if Tool.DA4ML in tools:
        forms[LOGIC] = _opened_backend("da4ml")
        pipeline = cache(partial(rtl_pipeline, loaded))
        forms |= {
            name: partial(_rtl, language, pipeline) for name, language in (("Verilog", "verilog"), ("VHDL", "vhdl"))
        }
    return forms


def csim_name(flavour: Flavour, strategy: Strategy, reuse: int = 1) -> str:
    """The name of a C simulation."""
    shared = f", reuse {reuse}" if reuse > 1 else ""
    return f"{flavour} C-sim, {strategy.replace('_', ' ')}{shared}"


def _opened_backend(name: str) -> FormOpener:
    return lambda loaded, _, __: Form(open_backend(name, loaded).score_inputs)


def _csim(settings: BuildSettings, loaded: LoadedVersion, _: BuildRequest, __: ExitStack) -> Form:
    from firmware.csim import CsimBackend, layer_codes

    backend = CsimBackend(loaded, settings)
    project = backend.project
    return Form(
        backend.score_inputs,
        layers=lambda inputs: layer_codes(loaded.network, project, inputs),
        compiled=backend.compiled,
    )


def _rtl(
    language: str,
    pipeline_of: Callable[[BuildRequest], Any],
    loaded: LoadedVersion,
    request: BuildRequest,
    stack: ExitStack,
) -> Form:
    pipeline = pipeline_of(request)
    from firmware.rtl import Language, write_rtl
    from firmware.rtl_simulation import RtlSimulation

    design = rtl_design(loaded, request, Language(language))
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="l1chain-verify-")))
    write_rtl(pipeline, folder, design)
    simulation = stack.enter_context(RtlSimulation(folder, pipeline, design))
    kinds = port_types(loaded, request.ports)
    return Form(
        lambda inputs: simulation.outputs(given_values(loaded.network, inputs)),
        takes=lambda inputs: fitting_rows(given_values(loaded.network, inputs), kinds),
    )
