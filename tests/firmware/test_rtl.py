"""RTL, run cycle by cycle, gives the bits of the backend `fixed` (docs/firmware.md, "RTL")."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("da4ml", reason="the extra [firmware] is not installed")

from da4ml._binary import dais_interp_run

from firmware import ghdl, verilator
from firmware.build_requests import rtl_request
from firmware.limited_logic import version_logic
from firmware.logic import network_logic
from firmware.rtl import Language, RtlDesign, pipelined, write_rtl
from firmware.rtl_errors import SimulatorMissing, SynthesisMissing
from firmware.rtl_simulation import RtlSimulation
from firmware.rtl_tools import run_tool
from firmware.synthesis import synthesise
from firmware.verilator import find_verilator
from models.backends import fixed
from models.backends.fixed import given_values
from models.network import Network
from models.repository import Repository
from tests.models.encoder_networks import encoder_document, network_from, sum_document
from tests.models.random_networks import random_inputs, random_network

needs_ghdl = pytest.mark.skipif(shutil.which("ghdl") is None, reason="ghdl is not installed (apt-get install ghdl)")
needs_yosys = pytest.mark.skipif(shutil.which("yosys") is None, reason="yosys is not installed (apt-get install yosys)")

SHIPPED = [f"{name}/{version}" for name in Repository().names() for version in Repository().versions(name)]
"""Those whose working points alone differ have the same logic."""
SHIPPED_LOGIC = [label for label in SHIPPED if "gmm" not in label and f"{label}.1" not in SHIPPED]


def _simulated(folder: Path, network: Network, language: Language, clock_ns: float, n: int) -> int:
    """Compares the scores of random inputs; the number of ticks."""
    design = RtlDesign("network", language, "xc7vx690tffg1927-2", clock_ns)
    pipeline = pipelined(network_logic(network, [network.given_type] * network.n_inputs), design)
    write_rtl(pipeline, folder, design)
    inputs = random_inputs(network, n, 1)
    with RtlSimulation(folder, pipeline, design) as simulation:
        scores = simulation.outputs(network.given_type.quantise(inputs))
    np.testing.assert_array_equal(scores, fixed.score(network, inputs))
    return len(pipeline.solutions)


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()


@pytest.mark.parametrize("language", [Language.VERILOG, pytest.param(Language.VHDL, marks=needs_ghdl)])
def test_a_small_encoder_has_the_reference_scores(tmp_path: Path, language: Language) -> None:
    network = network_from(encoder_document(3, (6, 4)))
    assert _simulated(tmp_path, network, language, clock_ns=25, n=2000) == 2


@pytest.mark.parametrize("language", [Language.VERILOG, pytest.param(Language.VHDL, marks=needs_ghdl)])
def test_constants_of_more_than_32_bits_are_numbers(tmp_path: Path, language: Language) -> None:
    document = sum_document([1, 2], "ap_uint<3>", "ap_fixed<40,4,AP_RND_INF,AP_SAT_ZERO>", "ap_ufixed<4,4>")
    assert _simulated(tmp_path, network_from(document), language, clock_ns=100, n=200) == 1


@pytest.mark.parametrize("seed", [0, 15, 29])
def test_networks_with_tables_and_convolutions_too(tmp_path: Path, seed: int) -> None:
    _simulated(tmp_path, random_network(seed), Language.VERILOG, clock_ns=5, n=500)


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    network = network_from(encoder_document(4, (5, 3)))
    design = RtlDesign("network", Language.VERILOG, "xc7vx690tffg1927-2", 6.25)
    for name in ("first", "second"):
        logic = network_logic(network, [network.given_type] * network.n_inputs)
        write_rtl(pipelined(logic, design), tmp_path / name, design)
    assert _digest(tmp_path / "first") == _digest(tmp_path / "second")


def test_every_number_says_its_size(tmp_path: Path) -> None:
    network = network_from(encoder_document(4, (5, 3)))
    design = RtlDesign("network", Language.VERILOG, "xc7vx690tffg1927-2", 25)
    write_rtl(pipelined(network_logic(network, [network.given_type] * network.n_inputs), design), tmp_path, design)
    numbers = [n for path in (tmp_path / "src").glob("*.v") for n in re.findall(r"\d*'b[01]+", path.read_text())]
    assert numbers
    assert all(number[0] != "'" for number in numbers)


@needs_ghdl
def test_cells_that_ghdl_uses_but_does_not_write_are_made_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[str] = []

    def forgetful(command: list[str], source: Path, work: Path) -> str:
        said = run_tool(command, source, work)
        if command[-1] != "network_wrapper" or "synth" not in command:
            return said
        modules = re.split(r"(?=^module )", said, flags=re.MULTILINE)
        forgotten.extend(text.split()[1] for text in modules if text.startswith("module shift_adder"))
        return "".join(text for text in modules if not text.startswith("module shift_adder"))

    monkeypatch.setattr(ghdl, "run_tool", forgetful)
    _simulated(tmp_path, network_from(encoder_document(3, (6, 4))), Language.VHDL, clock_ns=25, n=500)
    assert len(forgotten) > 3


@needs_yosys
def test_cells_are_counted(tmp_path: Path) -> None:
    network = network_from(encoder_document(4, (3, 2)))
    design = RtlDesign("network", Language.VERILOG, "xc7vx690tffg1927-2", 25)
    pipeline = pipelined(network_logic(network, [network.given_type] * network.n_inputs), design)
    write_rtl(pipeline, tmp_path, design)
    cells = synthesise(tmp_path, design)
    assert cells.luts >= cells.packed_luts > 50
    assert cells.flip_flops > 0
    assert cells.dsps == cells.brams == 0


def test_a_missing_tool_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(verilator, "find_spec", lambda _: None)
    with pytest.raises(SimulatorMissing, match="apt-get install verilator"):
        find_verilator()
    with pytest.raises(SynthesisMissing, match="apt-get install yosys"):
        synthesise(tmp_path, RtlDesign("network", Language.VERILOG, "xc7vx690tffg1927-2", 25))


@pytest.mark.heavy
@pytest.mark.parametrize("label", SHIPPED_LOGIC)
def test_every_shipped_version_becomes_logic_cut_into_ticks(label: str) -> None:
    loaded = Repository().load(*label.split("/"))
    pipeline = version_logic(loaded, rtl_request()).pipeline
    inputs, expected = loaded.reference()
    values = given_values(loaded.network, inputs)
    for tick in pipeline.solutions:
        values = dais_interp_run(tick.to_binary(), values, 1)
    np.testing.assert_array_equal(values.ravel(), expected)
