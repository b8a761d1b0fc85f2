"""The scripts of an HLS project, for the vendor's tools and for hls4ml (`docs/firmware.md`, "Project")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import yaml

from firmware.hls_design import INPUT, SCORE
from firmware.hls_strategies import Strategy
from triggers.errors import BadValue

_PART: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SLOWEST_NS: Final = 1000.0


class Flavour(StrEnum):
    """The vendor's tool that a project is for."""

    VITIS = "Vitis"
    VIVADO = "Vivado"


@dataclass(frozen=True)
class BuildSettings:
    """What the vendor's tool is told.

    Attributes:
        flavour: which tool.
        part: the device; the default is that of the Global Trigger's boards.
        clock_period_ns: of the clock that the design shall meet.
        strategy: of matrix products.
        reuse: how many products share a multiplier.
    """

    flavour: Flavour = Flavour.VITIS
    part: str = "xc7vx690tffg1927-2"
    clock_period_ns: float = 25.0
    strategy: Strategy = Strategy.LATENCY
    reuse: int = 1

    def __post_init__(self) -> None:
        """Check what is written into scripts.

        Raises:
            BadValue: no device has such a name, or no clock such a period, or no multiplier is left.
        """
        if not _PART.fullmatch(self.part):
            raise BadValue("part", f"'{self.part}' is no device", "use a name such as xc7vx690tffg1927-2")
        if not 0 < self.clock_period_ns <= _SLOWEST_NS:
            remedy = f"use a period above 0 and up to {_SLOWEST_NS:g}"
            raise BadValue("clock", f"a period of {self.clock_period_ns:g} ns", remedy)
        if self.reuse < 1:
            raise BadValue("reuse", f"a factor of {self.reuse}", "use 1 or more")


DEFAULT_SETTINGS: Final = BuildSettings()

_UNCERTAINTY: Final = {Flavour.VITIS: "27%", Flavour.VIVADO: "12.5%"}
_SCRIPTS: Final = {
    Flavour.VITIS: ("vitis/build_prj.tcl", "vitis/build_opt.tcl", "vivado/vivado_synth.tcl"),
    Flavour.VIVADO: ("vivado/build_prj.tcl", "vivado/vivado_synth.tcl"),
}
_VERSION: Final = "1.0.0"


def build_files(top: str, n_inputs: int, stamp: str, settings: BuildSettings, templates: Path) -> Mapping[str, str]:
    """Text by path.

    Args:
        top: name of the project.
        n_inputs: of its top function.
        stamp: in the name of the object that hls4ml's own script compiles.
        settings: for the vendor's tool.
        templates: of hls4ml.
    """
    library = (templates / "vivado" / "build_lib.sh").read_text(encoding="utf-8")
    scripts = {Path(path).name: (templates / path).read_text(encoding="utf-8") for path in _SCRIPTS[settings.flavour]}
    return scripts | {
        "project.tcl": _project_tcl(top, settings),
        "build_lib.sh": library.replace("myproject", top).replace("mystamp", stamp),
        "hls4ml_config.yml": _config(top, n_inputs, stamp, settings),
    }


def _project_tcl(top: str, settings: BuildSettings) -> str:
    variables = {
        "project_name": f'"{top}"',
        "backend": f'"{settings.flavour.lower()}"',
        "part": f'"{settings.part}"',
        "clock_period": f"{settings.clock_period_ns:g}",
        "clock_uncertainty": _UNCERTAINTY[settings.flavour],
        "version": f'"{_VERSION}"',
        "maximum_size": "4096",
    }
    return "".join(f"variable {name}\nset {name} {value}\n" for name, value in variables.items())


def _config(top: str, n_inputs: int, stamp: str, settings: BuildSettings) -> str:
    config = {
        "Backend": settings.flavour.value,
        "ClockPeriod": settings.clock_period_ns,
        "ClockUncertainty": _UNCERTAINTY[settings.flavour],
        "HLSConfig": {"Model": {"ReuseFactor": settings.reuse, "Strategy": settings.strategy.capitalize()}},
        "IOType": "io_parallel",
        "InputShapes": {INPUT: [n_inputs]},
        "OutputDir": ".",
        "OutputShapes": {SCORE: [1]},
        "Part": settings.part,
        "ProjectName": top,
        "Stamp": stamp,
        "Version": _VERSION,
        "WriterConfig": {"Namespace": top, "WriteTar": False, "WriteWeightsTxt": False},
    }
    return yaml.safe_dump(config, sort_keys=True)
