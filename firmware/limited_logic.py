"""The logic of a version, made in a process of its own that is ended when it takes too long.

da4ml's solver is one call of native code per layer, which takes from a millisecond to hours and cannot be interrupted.
The process gets the network's description and writes JSON; nothing is pickled on the way back.
"""

from __future__ import annotations

import json
import multiprocessing
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from da4ml.types import CombLogic, Pipeline

from firmware.build_requests import BuildRequest
from firmware.convolutions import windows_of
from firmware.designs import rtl_design
from firmware.logic import network_logic
from firmware.ports import port_types
from firmware.rtl import Language, RtlDesign, pipelined
from firmware.rtl_errors import LogicTooLong, NotLogic
from models.fixed_point import FixedPoint
from models.network import NETWORK_FILE, read_network
from models.repository import LoadedVersion

_PIPELINE_FILE: Final = "pipeline.json"
_WINDOWS_FILE: Final = "windows.json"
_REFUSAL_FILE: Final = "refusal.json"


@dataclass(frozen=True)
class Logic:
    """What a report counts.

    Attributes:
        pipeline: the whole version, cut into stages of one tick each.
        windows: one window of each convolution, by the layer's output.
    """

    pipeline: Pipeline
    windows: Mapping[str, CombLogic]


def version_logic(loaded: LoadedVersion, request: BuildRequest, limit_s: float | None = None) -> Logic:
    """The logic of a version and of the windows of its convolutions.

    Args:
        loaded: the version.
        request: part, clock, ports.
        limit_s: how long it may take, in a process of its own; None: as long as it takes, in this process.

    Raises:
        NotLogic: the network cannot be expressed.
        LogicTooLong: it takes longer.
        ModelError: the version has no network, a damaged one, or inputs that packed words do not hold.
    """
    network, ports = loaded.network, port_types(loaded, request.ports)
    design = rtl_design(loaded, request, Language.VERILOG)
    if limit_s is None:
        return Logic(pipelined(network_logic(network, ports), design), windows_of(network))
    with tempfile.TemporaryDirectory(prefix="l1chain-logic-") as name:
        folder = Path(name)
        arguments = (loaded.file(NETWORK_FILE, "logic"), network.name, ports, design, folder)
        child = multiprocessing.get_context("spawn").Process(target=_write, args=arguments, daemon=True)
        child.start()
        try:
            child.join(limit_s)
            if child.is_alive():
                raise LogicTooLong(loaded.label, limit_s)
        finally:
            child.kill()
            child.join()
        if child.exitcode:
            raise NotLogic(network.name, _refusal(folder, child.exitcode))
        windows = json.loads((folder / _WINDOWS_FILE).read_text())
        pipeline = Pipeline.load(str(folder / _PIPELINE_FILE))
    return Logic(pipeline, {layer: CombLogic.deserialize(window) for layer, window in windows.items()})


def _write(document: bytes, name: str, ports: tuple[FixedPoint, ...], design: RtlDesign, folder: Path) -> None:
    """What the process does."""
    from da4ml.types import JSONEncoder

    network = read_network(document, name)
    try:
        pipeline, windows = pipelined(network_logic(network, ports), design), windows_of(network)
    except NotLogic as error:
        (folder / _REFUSAL_FILE).write_text(json.dumps(error.what))
        raise SystemExit(1) from None
    pipeline.save(folder / _PIPELINE_FILE)
    (folder / _WINDOWS_FILE).write_text(json.dumps(windows, cls=JSONEncoder))


def _refusal(folder: Path, code: int | None) -> str:
    """Why the process made no logic."""
    try:
        return str(json.loads((folder / _REFUSAL_FILE).read_text()))
    except FileNotFoundError:
        return f"the process that makes its logic ended with code {code}, as one does that is short of memory"
