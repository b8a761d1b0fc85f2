"""What versions take in hardware (docs/firmware.md, "Report")."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("da4ml", reason="the extra [firmware] is not installed")

from firmware import synthesis_cache
from firmware.build_requests import rtl_request
from firmware.convolutions import ConvolutionEstimate, convolution_estimates, resource_factor, windows_of
from firmware.designs import rtl_design, rtl_pipeline
from firmware.limited_logic import version_logic
from firmware.logic import network_logic
from firmware.parts import DEVICES, PUBLISHED, published_for
from firmware.ports import Ports
from firmware.resources import resources
from firmware.rtl import Language, RtlDesign, write_rtl
from firmware.rtl_errors import LogicTooLong, NotLogic, SynthesisMissing, SynthesisTooLong
from firmware.synthesis import Cells, Family, synthesise
from models.network import NETWORK_FILE, Network
from models.network_layers import Conv2D
from models.repository import LoadedVersion, Repository
from stream.cli.app import app
from tests.models.conftest import write_version
from tests.models.encoder_networks import encoder_document, network_from, region_document
from tests.models.random_networks import random_network
from triggers.errors import BadValue

CELLS = Cells(luts=120, packed_luts=90, flip_flops=20, carries=30, dsps=0, brams=0)
needs_yosys = pytest.mark.skipif(shutil.which("yosys") is None, reason="yosys is not installed (apt-get install yosys)")


def _version(folder: Path, name: str = "axol1tl") -> LoadedVersion:
    write_version(folder, name, "small", {NETWORK_FILE: json.dumps(encoder_document(4, (3, 2))).encode()})
    return Repository(folder).load(name, "small")


def _estimates(network: Network) -> tuple[ConvolutionEstimate, ...]:
    return convolution_estimates(network, windows_of(network))


def test_rho_is_the_ratio_of_places_and_channels() -> None:
    network = network_from(region_document(3))
    (layer,) = [layer for layer in network.layers if isinstance(layer, Conv2D)]
    assert resource_factor(layer, 18, 14) == 9 * 7
    assert resource_factor(layer, 18, 14, block_places=3) == 21


def test_windows_times_rho_estimate_a_convolution() -> None:
    document = region_document(3)
    (estimate,) = _estimates(network_from(document))
    assert estimate.rho == 63
    for dense in document["layers"]:
        if dense["op"] == "dense":
            dense["weights"] = [[0.0 if i else 1.0] for i in range(252)]
    whole = network_from(document)
    for_one = float(network_logic(whole, [whole.given_type] * 252).cost)
    assert for_one < estimate.block_cost + 100
    assert estimate.cost == estimate.block_cost * 63


def test_windows_of_padded_convolutions_are_estimated() -> None:
    networks = [random_network(seed, ops=("conv2d", "relu")) for seed in range(11)]
    estimates = [one for network in networks for one in _estimates(network)]
    assert estimates
    assert all(one.block_cost >= 0 and one.rho >= 1 for one in estimates)


def test_shares_are_of_the_devices_look_up_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis_cache, "synthesise", lambda *_: CELLS)
    monkeypatch.setattr(synthesis_cache, "find_yosys", lambda: "true")
    found = resources(_version(tmp_path), rtl_request())
    assert found.synthesis is not None
    assert found.synthesis.cells == CELLS
    assert found.shares_percent == {device.name: 100 * 90 / device.luts for device in DEVICES}
    assert (found.ticks, found.latency_ns) == (2, 50.0)
    published = 0.021 * 433_200
    assert found.off_by["yosys"] == pytest.approx(120 / published)
    assert found.off_by["ns"] == 1.0
    assert found.off_by["da4ml"] == pytest.approx(found.da4ml_cost / published)


def test_a_result_is_remembered_by_what_was_synthesised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[RtlDesign] = []

    def counted(_: Path, design: RtlDesign, __: float | None) -> Cells:
        calls.append(design)
        return CELLS

    monkeypatch.setattr(synthesis_cache, "synthesise", counted)
    monkeypatch.setattr(synthesis_cache, "find_yosys", lambda: "true")
    version = _version(tmp_path)
    first, again = (resources(version, rtl_request()).synthesis for _ in range(2))
    assert first is not None
    assert again is not None
    assert (first.remembered, again.remembered, len(calls)) == (False, True, 1)
    resources(version, rtl_request(part="xcvu9p-flga2104-2L-e"))
    resources(version, rtl_request(ports=Ports.PACKED))
    assert len(calls) == 3
    for kept in (tmp_path / "axol1tl" / "small" / "firmware" / "synthesis").iterdir():
        kept.write_text("damaged")
    resources(version, rtl_request())
    assert len(calls) == 4


def test_parts_belong_to_families() -> None:
    assert Family.of("xc7vx690tffg1927-2") is Family.SERIES_7
    assert Family.of("xcvu13p-flga2577-2-e") is Family.ULTRASCALE_PLUS
    assert Family.of("xcku115-flvb2104-2-e") is Family.ULTRASCALE
    assert Family.of("xcu250-figd2104-2L-e") is Family.ULTRASCALE_PLUS
    with pytest.raises(BadValue, match="of no family that can be counted"):
        Family.of("agfb014")


def test_names_of_models_find_what_was_published() -> None:
    assert published_for("axol1tl") is PUBLISHED["axol1tl"]
    assert published_for("AXOL1TL-retrained") is PUBLISHED["axol1tl"]
    assert published_for("gelato_l1") is PUBLISHED["gelato"]
    assert published_for("gelato_hlt") is None  # software
    assert published_for("mine") is None


def test_without_yosys_the_report_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise SynthesisMissing("yosys", "apt-get install yosys")

    monkeypatch.setattr(synthesis_cache, "find_yosys", missing)
    found = resources(_version(tmp_path), rtl_request())
    assert found.synthesis is None
    assert "apt-get install yosys" in found.why_not
    assert found.luts == found.da4ml_cost


@needs_yosys
def test_a_synthesis_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    loaded = _version(tmp_path)
    design = rtl_design(loaded, rtl_request(), Language.VERILOG)
    write_rtl(rtl_pipeline(loaded, rtl_request()), tmp_path / "rtl", design)
    with pytest.raises(SynthesisTooLong, match=r"did not end in 0.05 s"):
        synthesise(tmp_path / "rtl", design, limit_s=0.05)


@pytest.mark.parametrize("limit_s", [None, 300])
def test_the_logic_is_the_same_in_a_process_of_its_own(tmp_path: Path, limit_s: float | None) -> None:
    write_version(tmp_path, "regions", "v1", {NETWORK_FILE: json.dumps(region_document(3)).encode()})
    loaded = Repository(tmp_path).load("regions", "v1")
    logic = version_logic(loaded, rtl_request(), limit_s)
    assert logic.pipeline == rtl_pipeline(loaded, rtl_request())
    assert logic.windows == windows_of(loaded.network)


def test_logic_that_takes_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LogicTooLong, match=r"axol1tl/small: da4ml did not make its logic in 0.01 s; raise --limit-s"):
        resources(_version(tmp_path), rtl_request(), limit_s=0.01)


def test_what_cannot_be_expressed_says_why_from_its_process() -> None:
    with pytest.raises(NotLogic, match="geometric mean"):
        version_logic(Repository().load("axol1tl", "sim-gmm"), rtl_request(), limit_s=300)


def test_the_command_prints_a_table_and_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis_cache, "synthesise", lambda *_: CELLS)
    monkeypatch.setattr(synthesis_cache, "find_yosys", lambda: "true")
    _version(tmp_path)
    arguments = ["firmware", "report", "axol1tl/small", "--repository", str(tmp_path)]
    shown = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)["reports"][0]
    assert shown["synthesis"]["cells"]["packed_luts"] == 90
    assert shown["published"]["luts_percent"] == 2.1
    printed = CliRunner().invoke(app, arguments, env={"COLUMNS": "220"}).stdout
    assert "not placed or routed" in printed
    assert "AXOL1TL, published" in printed
    assert "50 ns, 2.1 % = 9,097 LUT of xc7vx690t" in printed


def test_a_version_that_is_no_logic_does_not_hide_the_others() -> None:
    arguments = ["firmware", "report", "axol1tl/sim-gmm", "--no-synthesis"]
    shown = json.loads(CliRunner().invoke(app, [*arguments, "axol1tl/demo-v1", "--json"]).stdout)
    assert [row["version"] for row in shown["reports"]] == ["axol1tl/demo-v1"]
    assert "geometric mean" in shown["refused"]["axol1tl/sim-gmm"]
    assert isinstance(CliRunner().invoke(app, arguments).exception, NotLogic)


def test_what_is_not_synthesised_is_estimated_by_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def only_windows(_: Path, design: RtlDesign, limit_s: float | None) -> Cells:
        calls.append(design)
        if len(calls) > 1:
            raise SynthesisTooLong(design.name, limit_s or 0)
        return CELLS

    calls: list[RtlDesign] = []
    monkeypatch.setattr(synthesis_cache, "synthesise", only_windows)
    monkeypatch.setattr(synthesis_cache, "find_yosys", lambda: "true")
    write_version(tmp_path, "regions", "v1", {NETWORK_FILE: json.dumps(region_document(3)).encode()})
    found = resources(Repository(tmp_path).load("regions", "v1"), rtl_request())
    (estimate,) = found.convolutions
    assert (estimate.block_luts, estimate.luts) == (90, 90 * 63)
    assert found.synthesis is None
    assert found.estimated_luts == pytest.approx(found.da4ml_cost - estimate.cost + 90 * 63)
