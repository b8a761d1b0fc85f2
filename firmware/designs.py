"""A version as a pipeline of logic, for a part and a clock (`docs/firmware.md`, "RTL")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firmware.build_requests import BuildRequest
from firmware.da4ml_package import check_da4ml
from firmware.hls_types import identifier
from firmware.ports import port_types
from models.repository import LoadedVersion

if TYPE_CHECKING:
    from firmware.rtl import Language, RtlDesign


def rtl_design(loaded: LoadedVersion, request: BuildRequest, language: Language) -> RtlDesign:
    """How the logic of a version becomes registers and wires, in its own namespace."""
    from firmware.rtl import RtlDesign

    name = identifier(loaded.manifest.name, loaded.manifest.version)
    return RtlDesign(name, language, request.part, request.clock_ns)


def rtl_pipeline(loaded: LoadedVersion, request: BuildRequest) -> Any:
    """The logic of a version, cut into stages of one tick each: a `da4ml.types.Pipeline`.

    Raises:
        ExtraMissing: da4ml is not installed.
        NotLogic: the network cannot be expressed.
        ModelError: the version has no network, a damaged one, or inputs that packed words do not hold.
    """
    check_da4ml()
    from firmware.logic import network_logic
    from firmware.rtl import Language, pipelined

    logic = network_logic(loaded.network, port_types(loaded, request.ports))
    return pipelined(logic, rtl_design(loaded, request, Language.VERILOG))
