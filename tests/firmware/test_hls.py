"""A network becomes an hls4ml project: the same bytes each time, in hls4ml's layout, from its description alone."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from firmware.errors import HeadersMissing
from firmware.hls import hls_project
from firmware.hls_build import BuildSettings, Flavour
from firmware.hls_types import common_type, cpp_type, identifier, least_type, literals
from models.backends import fixed
from models.errors import BackendLimit
from models.fixed_point import NETWORK_BITS, FixedPoint
from models.network import Network
from models.network_layers import Constants
from tests.firmware.extras import needs_hls4ml
from tests.models.encoder_networks import encoder_document, network_from, region_document, sum_document
from triggers.errors import BadValue

pytestmark = needs_hls4ml

ENCODER = network_from(encoder_document(0))


def kind(text: str) -> FixedPoint:
    return FixedPoint.parse(text, NETWORK_BITS)


def test_the_same_network_gives_the_same_bytes() -> None:
    again = network_from(encoder_document(0))
    assert hls_project(ENCODER, "axol1tl", "v9") == hls_project(again, "axol1tl", "v9")
    other = hls_project(network_from(encoder_document(1)), "axol1tl", "v9")
    assert other.digest != hls_project(ENCODER, "axol1tl", "v9").digest


@pytest.mark.parametrize("flavour", Flavour)
def test_the_project_has_hls4mls_layout(flavour: Flavour, tmp_path: Path) -> None:
    inputs = np.random.default_rng(0).integers(-500, 500, (20, 57))
    project = hls_project(ENCODER, "axol1tl", "v9", BuildSettings(flavour), inputs)
    project.write(tmp_path)
    for name in (
        "firmware/axol1tl_v9.cpp",
        "firmware/axol1tl_v9.h",
        "firmware/defines.h",
        "firmware/parameters.h",
        "firmware/weights/w3.h",
        "firmware/weights/b3.h",
        "firmware/nnet_utils/nnet_dense.h",
        "firmware/ap_types/ap_fixed.h",
        "axol1tl_v9_bridge.cpp",
        "axol1tl_v9_test.cpp",
        "build_lib.sh",
        "build_prj.tcl",
        "project.tcl",
        "hls4ml_config.yml",
    ):
        assert (tmp_path / name).is_file(), name
    assert f'set backend "{flavour.lower()}"' in (tmp_path / "project.tcl").read_text()
    assert "namespace axol1tl_v9 {" in (tmp_path / "firmware" / "defines.h").read_text()
    assert len((tmp_path / "tb_data" / "tb_input_features.dat").read_text().splitlines()) == 20
    predictions = np.loadtxt(tmp_path / "tb_data" / "tb_output_predictions.dat")
    assert np.array_equal(predictions * ENCODER.integer_scale, fixed.score(ENCODER, inputs))


def test_flavours_have_their_own_headers(tmp_path: Path) -> None:
    for flavour in Flavour:
        hls_project(ENCODER, "a", "b", BuildSettings(flavour)).write(tmp_path / flavour)
    vitis, vivado = (
        (tmp_path / flavour / "firmware" / "nnet_utils" / "nnet_conv2d_latency.h").read_bytes() for flavour in Flavour
    )
    assert vitis != vivado


def test_scaling_and_score_are_part_of_the_design() -> None:
    source = hls_project(ENCODER, "axol1tl", "v9").files["firmware/axol1tl_v9.cpp"]
    calls = re.findall(r"^    (\w+::\w+)<", source, re.MULTILINE)
    layers = ["nnet::dense", "nnet::relu"] * 2 + ["nnet::dense"]
    assert calls[0] == "l1chain::scale_inputs"
    assert calls[1 : 1 + len(layers)] == layers
    assert calls[-1] == "nnet::dot1d"


def test_convolutions_are_hls4mls() -> None:
    files = hls_project(network_from(region_document(0)), "cicada", "v1").files
    assert "nnet::conv_2d_cl<input_t, " in files["firmware/cicada_v1.cpp"]
    assert '#include "nnet_utils/nnet_conv2d.h"' in files["firmware/parameters.h"]


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("axol1tl", "v4"), "axol1tl_v4"),
        (("a.b-c", "1.0"), "a_b_c_1_0"),
        (("2025", "v1"), "model_2025_v1"),
        (("int", "x;}system("), "int_x_system"),
    ],
)
def test_names_become_names_of_cpp(parts: tuple[str, ...], name: str) -> None:
    assert identifier(*parts) == name


def test_no_word_of_the_description_but_names_of_tensors_reaches_the_code() -> None:
    document = encoder_document(0) | {"name": 'evil"*/ ; #include', "note": "evil\n#include <evil>"}
    files = hls_project(network_from(document), "axol1tl", "v9").files
    assert not [path for path, text in files.items() if "evil" in text]


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("ap_fixed<8,6>", "ap_fixed<8,6>"),
        ("ap_uint<10>", "ap_ufixed<10,10>"),
        ("ap_ufixed<10,6,AP_RND_CONV,AP_SAT>", "ap_ufixed<10,6,AP_RND_CONV,AP_SAT>"),
        ("ap_fixed<8,-2,AP_TRN,AP_SAT_SYM>", "ap_fixed<8,-2,AP_TRN,AP_SAT_SYM>"),
        ("ap_fixed<0,3>", "ap_ufixed<1,1>"),
    ],
)
def test_types(given: str, written: str) -> None:
    assert cpp_type(kind(given)) == written


def test_a_common_type_holds_all_numbers() -> None:
    assert common_type([kind("ap_fixed<8,6>")] * 3) == kind("ap_fixed<8,6>")
    assert str(common_type([kind("ap_fixed<8,2>"), kind("ap_ufixed<5,5>")])) == "ap_fixed<12,6,AP_TRN,AP_WRAP>"
    assert str(common_type([kind("ap_ufixed<4,8>"), kind("ap_ufixed<0,30>")])) == "ap_ufixed<4,8,AP_TRN,AP_WRAP>"


@pytest.mark.parametrize(
    ("codes", "written"),
    [([0], "ap_ufixed<1,-1>"), ([3, 4], "ap_ufixed<3,1>"), ([-4, 3], "ap_fixed<3,1>"), ([-5, 3], "ap_fixed<4,2>")],
)
def test_the_least_type_of_numbers(codes: list[int], written: str) -> None:
    assert cpp_type(least_type(Constants(np.array(codes), 2))) == written


def test_numbers_are_written_exactly() -> None:
    assert literals(np.array([-5, 0, 1 << 60]), 2) == ["-1.25", "0.0", repr(2.0**58)]
    with pytest.raises(ValueError, match="more than 53 bits"):
        literals(np.array([(1 << 60) + 1]), 0)


def wide_inputs() -> Network:
    return network_from(sum_document([1], "ap_fixed<70,70>", "ap_fixed<80,80>", "ap_fixed<12,12>"))


def too_many_products() -> Network:
    document = sum_document([1] * 700, "ap_fixed<8,8>", "ap_fixed<20,20>", "ap_fixed<12,12>")
    layer = document["layers"][0]
    layer["weights"], layer["bias"] = [[1] * 500] * 700, [0] * 500
    last = {**layer, "input": "sum", "output": "last", "weights": [[1]] * 500, "bias": [0]}
    document["layers"].append(last)
    document["score"]["of"] = "last"
    return network_from(document)


def test_what_cpp_cannot_hold_is_refused() -> None:
    with pytest.raises(BackendLimit, match="inputs of more than 64 bits is not supported; use backend fixed"):
        hls_project(wide_inputs(), "a", "b")
    with pytest.raises(BackendLimit, match="a network with 3 MiB of arrays is not supported; use backend onnxruntime"):
        hls_project(too_many_products(), "a", "b")


def test_what_scripts_are_told_is_checked() -> None:
    with pytest.raises(BadValue, match="part: 'x; exec rm' is no device"):
        BuildSettings(part="x; exec rm")
    with pytest.raises(BadValue, match="clock: a period of 0 ns"):
        BuildSettings(clock_period_ns=0.0)
    with pytest.raises(BadValue, match="reuse: a factor of 0"):
        BuildSettings(reuse=0)


def test_multipliers_are_shared_as_the_settings_say() -> None:
    files = hls_project(ENCODER, "a", "b", BuildSettings(reuse=4)).files
    assert files["firmware/parameters.h"].count("static const unsigned reuse_factor = 4;") == 4  # 3 layers, the score
    assert "ReuseFactor: 4" in files["hls4ml_config.yml"]


def test_without_hls4ml_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", {}.get)
    with pytest.raises(HeadersMissing, match=r"not installed; install the extra: pip install 'l1chain\[firmware\]'"):
        hls_project(ENCODER, "a", "b")


_IMPORTS = """
import sys
from firmware import csim, hls
from tests.firmware.test_hls import ENCODER
hls.hls_project(ENCODER, "axol1tl", "v9")
print(*sorted({"hls4ml", "tensorflow", "keras", "da4ml"} & set(sys.modules)))
"""


def test_hls4ml_is_not_imported() -> None:
    found = subprocess.run([sys.executable, "-c", _IMPORTS], capture_output=True, check=True, text=True)
    assert found.stdout.split() == []


_HLS4ML = """
import hls4ml, numpy as np, os, sys
os.chdir(sys.argv[1])
model = hls4ml.converters.link_existing_project(".")
model.compile()
x = np.loadtxt("tb_data/tb_input_features.dat")
print(int((np.ravel(model.predict(x)) != np.loadtxt("tb_data/tb_output_predictions.dat")).sum()), len(x))
"""


@pytest.mark.heavy
def test_hls4ml_itself_builds_and_runs_the_project(tmp_path: Path) -> None:
    inputs = np.random.default_rng(0).integers(-500, 500, (100, 57))
    hls_project(ENCODER, "axol1tl", "v9", inputs=inputs).write(tmp_path)
    found = subprocess.run([sys.executable, "-c", _HLS4ML, tmp_path], capture_output=True, check=True, text=True)
    assert found.stdout.splitlines()[-1] == "0 100"


@pytest.mark.heavy
def test_the_test_bench_finds_the_scores(tmp_path: Path) -> None:
    inputs = np.random.default_rng(0).integers(-500, 500, (100, 57))
    hls_project(ENCODER, "axol1tl", "v9", BuildSettings(Flavour.VIVADO), inputs).write(tmp_path)
    command = ["g++", "-std=c++11", "-w", "-Ifirmware/ap_types", "axol1tl_v9_test.cpp", "firmware/axol1tl_v9.cpp"]
    subprocess.run([*command, "-o", "bench"], cwd=tmp_path, check=True)
    found = subprocess.run(["./bench"], cwd=tmp_path, capture_output=True, check=True, text=True)
    assert found.stdout == "100 crossings, 0 scores differ\n"
