"""What is read of hls4ml projects, without compiling them: their parts, types, layers, and what must be refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from firmware.imports.bridge import BridgeOptions, bridge_text, is_squared, unit_text
from firmware.imports.bundle import bundled, packed
from firmware.imports.compiled import unpacked
from firmware.imports.cpp import integer, split_list, without_comments
from firmware.imports.description import describe, scaling_names
from firmware.imports.distributed import distributed_layer
from firmware.imports.errors import ArchiveUnsafe, ProjectInvalid, ProjectUnreadable
from firmware.imports.project import read_project
from firmware.imports.sources import Sources, read_sources
from models.backends import fixed
from models.fixed_point import FixedPoint
from models.layouts import network_inputs
from models.network import Network
from models.reference import reference_inputs
from tests.firmware.cms_projects import axol1tl_folder, cicada_folder
from tests.firmware.extras import needs_hls4ml
from tests.firmware.small_networks import autoencoder, encoder, regions
from triggers.errors import FileMissing


def described(folder: Path, network: Network, score_type: str) -> Network:
    project = read_project(read_sources(folder), str(folder))
    inputs = network.document.inputs
    squared, scaled = is_squared(project, BridgeOptions()), scaling_names(project) is not None
    return describe(project, "x", inputs, FixedPoint.parse(score_type), squared=squared, scaled=scaled)


def same_scores(a: Network, b: Network) -> bool:
    inputs = reference_inputs(a, 5)
    scores = fixed.score(a, inputs)
    return len(np.unique(scores)) > 20 and np.array_equal(scores, fixed.score(b, inputs))


@pytest.mark.parametrize("weights_unit", [False, True], ids=["weights.h", "weights.cpp"])
def test_a_project_as_axol1tl_is_found_and_described(tmp_path: Path, weights_unit: bool) -> None:
    network = encoder(1)
    folder = axol1tl_folder(network, tmp_path / "p", "v4", weights_unit=weights_unit)
    project = read_project(read_sources(folder), "p")
    assert (project.top.name, project.top.namespace) == ("GTADModel_v4", "hls4ml_axol1tl_v4")
    assert project.emulator is not None
    assert project.emulator.name == "GTADModel_v4_emulator"
    assert project.scaling == "scales.h"
    assert project.units == ("NN/GTADModel_v4.cpp", *(["NN/weights.cpp"] if weights_unit else []))
    assert same_scores(network, described(folder, network, "ap_ufixed<18,14>"))


def test_an_autoencoder_with_its_own_score_is_described(tmp_path: Path) -> None:
    network = autoencoder(2)
    folder = axol1tl_folder(network, tmp_path / "p", "v5")
    found = described(folder, network, "ap_ufixed<18,14>")
    assert [layer.op for layer in found.document.layers][-2:] == ["subtract", "dot"]
    assert same_scores(network, found)


def test_a_project_as_cicada_is_described(tmp_path: Path) -> None:
    network = regions(3)
    folder = cicada_folder(network, tmp_path / "p")
    assert same_scores(network, described(folder, network, "ap_ufixed<16,8,AP_RND_CONV,AP_SAT>"))


def test_a_project_without_emulator_takes_the_scaling_of_its_header(tmp_path: Path) -> None:
    network = encoder(4)
    folder = axol1tl_folder(network, tmp_path / "p", emulator=False)
    project = read_project(read_sources(folder), "p")
    text = bridge_text(project, BridgeOptions(squared=True))
    assert "given[i] - ad_offsets[i]" in text
    assert "using Score = resultsq_t;" in text
    with pytest.raises(ProjectInvalid, match="no emulator makes a score"):
        bridge_text(project, BridgeOptions())


def test_types_that_only_the_class_knows_are_written_out(tmp_path: Path) -> None:
    folder = axol1tl_folder(encoder(1), tmp_path / "p")
    unit = folder / "GTADModel_v4_emulator.cpp"
    text = unit.read_text().replace("private:", "private:\n    typedef ap_fixed<18,13> unscaled_t;", 1)
    unit.write_text(text)
    assert "using Given = ap_fixed<18,13>;" in bridge_text(read_project(read_sources(folder), "p"), BridgeOptions())


def test_the_folder_of_one_model_is_asked_for(tmp_path: Path) -> None:
    for tag in ("v3", "v4"):
        axol1tl_folder(encoder(1), tmp_path / "all" / tag, tag)
    sources = read_sources(tmp_path / "all")
    with pytest.raises(ProjectInvalid, match="2 top-level functions.*GTADModel_v3.*--top"):
        read_project(sources, "all")
    assert read_project(sources, "all", "GTADModel_v4").top.unit == "v4/NN/GTADModel_v4.cpp"
    with pytest.raises(ProjectInvalid, match="no top-level function of hls4ml .function GTADModel_v9"):
        read_project(sources, "all", "GTADModel_v9")


def test_a_folder_that_is_none_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileMissing):
        read_sources(tmp_path / "nothing")
    with pytest.raises(ProjectInvalid, match="no top-level function"):
        read_project(read_sources(tmp_path), str(tmp_path))


def test_links_that_leave_the_neighbourhood_are_passed_over(tmp_path: Path) -> None:
    outside = tmp_path / "outside" / "secret.h"
    outside.parent.mkdir()
    outside.write_text("int secret;")
    folder = axol1tl_folder(encoder(1), tmp_path / "near" / "p")
    (folder / "NN" / "secret.h").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    assert not any("secret" in path or "loop" in path for path in read_sources(folder).files)


def test_headers_that_include_each_other_without_end_end(tmp_path: Path) -> None:
    folder = axol1tl_folder(encoder(1), tmp_path / "p")
    for i in range(40):
        (folder / "NN" / f"bomb{i}.h").write_text(f'#include "bomb{i + 1}.h"\n' * 2 + " " * 1000)
    top = folder / "NN" / "GTADModel_v4.cpp"
    top.write_text('#include "bomb0.h"\n' + top.read_text())
    with pytest.raises(ProjectUnreadable, match="more than 64 MiB"):
        read_project(read_sources(folder), "p")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("nnet::relu<", "nnet::softmax<", "'softmax': is none of"),
        ("weight2_t w2[", "weight2_t w9[", "'w2': has no values"),
        ("accum_t;", "float_t;", "names no 'accum_t'"),
        ("nnet::product::mult<", "nnet::product::weight_binary<", "multiplies by"),
        ("input_2, layer2_out", "layer3_out, layer2_out", "before a layer makes it"),
        ("#pragma HLS PIPELINE", "input_2[0] = 3;\n", "is no layer that is known"),
    ],
)
def test_what_a_description_cannot_say_is_said(tmp_path: Path, old: str, new: str, why: str) -> None:
    network = encoder(1)
    folder = axol1tl_folder(network, tmp_path / "p")
    for path in (folder / "NN").iterdir():
        path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ProjectUnreadable, match=why):
        described(folder, network, "ap_ufixed<18,14>")


DISTRIBUTED = """namespace GTADModel_v6 {
template <typename inp_t, typename out_t> void dense_da_3(inp_t inp[3], out_t out[2]) {
    #pragma HLS INLINE
    // ===== Latency: 1 =====
    ap_fixed<10, 5> v0 = -bit_shift<-3>(inp[0]) - bit_shift<1>(inp[2]);
    ap_fixed<9, 4> v1 = inp[1] + ap_ufixed<2, -1>(0.375);
    ap_fixed<14, 7> v2 = v0 - bit_shift<2>(v1); // 2.0
    out[0] = v2;
    out[1] = ap_fixed<9, 4>(v1);
}
}"""


def test_distributed_arithmetic_is_a_dense_layer() -> None:
    layer, n_out = distributed_layer(Sources({"a.h": DISTRIBUTED}), "dense_da_3", FixedPoint.parse("ap_fixed<4,2>"), 3)
    assert n_out == 2
    assert np.array_equal(layer["weights"], [[-0.125, 0], [-4, 1], [-2, 0]])
    assert layer["bias"] == [-1.5, 0.375]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("ap_fixed<14, 7> v2", "ap_fixed<5, 4> v2", "does not hold"),
        ("ap_fixed<10, 5> v0", "ap_fixed<7, 5> v0", "does not hold"),
        ("v0 - bit_shift", "v0 * bit_shift", "no sum of shifted"),
        ("out[1] = ap_fixed<9, 4>(v1);", "out[2] = v1;", "all of its outputs"),
        ("inp[1] +", "inp[7] +", "read before it is made"),
        ("out[0] = v2", "out[3] = v2", "all of its outputs"),
    ],
)
def test_distributed_arithmetic_that_drops_something_is_no_dense_layer(old: str, new: str, why: str) -> None:
    sources = Sources({"a.h": DISTRIBUTED.replace(old, new)})
    with pytest.raises(ProjectUnreadable, match=why):
        distributed_layer(sources, "dense_da_3", FixedPoint.parse("ap_fixed<4,2>"), 3)


@needs_hls4ml
def test_a_bundle_holds_what_compiling_needs_and_nothing_else(tmp_path: Path) -> None:
    folder = axol1tl_folder(encoder(1), tmp_path / "p")
    (folder / "NN" / "unused.h").write_text("int unused;")
    project = read_project(read_sources(folder), "p")
    files = bundled(project, [], BridgeOptions())
    assert {"project/NN/weights.h", "project/scales.h", "support/ap_fixed.h", "support/emulator.h"} <= set(files)
    assert not any("unused" in path for path in files)
    assert unpacked(packed(files), "x") == files
    assert packed(files) == packed(dict(reversed(files.items())))
    with pytest.raises(ArchiveUnsafe, match="is no archive"):
        unpacked(packed(files)[:-100], "x")


@needs_hls4ml
def test_headers_of_the_project_and_of_the_user_go_before_the_installed_ones(tmp_path: Path) -> None:
    folder = axol1tl_folder(encoder(1), tmp_path / "p")
    (folder / "NN" / "nnet_utils").mkdir()
    (folder / "NN" / "nnet_utils" / "nnet_types.h").write_text("// own")
    types = tmp_path / "types"
    types.mkdir()
    (types / "ap_int.h").write_text("// the user's")
    files = bundled(read_project(read_sources(folder), "p"), [types], BridgeOptions())
    assert "project/NN/nnet_utils/nnet_types.h" in files
    assert "support/nnet_utils/nnet_types.h" not in files or "support/ap_int.h" not in files
    assert files["include0/ap_int.h"] == "// the user's"


def test_a_unit_defines_synthesis_only_where_the_project_asks_for_it(tmp_path: Path) -> None:
    folder = axol1tl_folder(encoder(1), tmp_path / "p")
    assert "__SYNTHESIS__" not in unit_text(read_project(read_sources(folder), "p"), "NN/GTADModel_v4.cpp")
    weights = folder / "NN" / "weights.h"
    weights.write_text(f"#ifndef __SYNTHESIS__\nint w;\n#else\n{weights.read_text()}\n#endif\n")
    project = read_project(read_sources(folder), "p")
    assert "#define __SYNTHESIS__ 1" in unit_text(project, "NN/GTADModel_v4.cpp")
    assert "w2" in project.top.declared.arrays


def test_expressions_and_lists() -> None:
    assert integer("(A*2 + 3u) / B - 1", {"A": 4, "B": 2}) == 4
    assert split_list("a<b, c>, d(e, f), g") == ["a<b, c>", "d(e, f)", "g"]
    assert without_comments('a /* b */ "// c" // d') == 'a   "// c"  '
    for text in ("a.b", "__import__('os')", "1 if 2 else 3", "9" * 300, "1/0", "f(1)"):
        with pytest.raises(ProjectUnreadable):
            integer(text, {})


def test_every_description_is_json(tmp_path: Path) -> None:
    network = regions(3)
    found = described(cicada_folder(network, tmp_path / "p"), network, "ap_ufixed<16,8,AP_RND_CONV,AP_SAT>")
    assert json.loads(found.to_json())["schema"] == "l1chain-network/1"


NORMALIZED = """#include "defines.h"
struct config2 : nnet::batchnorm_config {
    static const unsigned n_in = 3;
    static const int n_filt = -1;
    static const unsigned n_scale_bias = (n_filt == -1) ? n_in : n_filt;
    typedef scale_t scale_t;
};
scale_t s2[3] = {0.5, -0.25, 1.26};
shift_t b2[3] = {1, 2, -0.3};
void myproject(input_t Inputs[N], result_t layer2_out[N]) {
#pragma HLS PIPELINE
    nnet::normalize<input_t, result_t, config2>(Inputs, layer2_out, s2, b2); // QBN1
}
"""
NORMALIZED_TYPES = """#define N 3
typedef ap_ufixed<10,10> input_t;
typedef ap_fixed<15,12,AP_RND,AP_SAT,AP_SAT> result_t;
typedef ap_fixed<18,3> scale_t;
typedef ap_fixed<6,3> shift_t;
"""


def test_normalisation_is_a_diagonal_in_the_types_that_c_converts_to() -> None:
    sources = Sources({"a.cpp": NORMALIZED, "defines.h": NORMALIZED_TYPES})
    project = read_project(sources, "p")
    assert (project.top.name, project.top.namespace, project.emulator) == ("myproject", "", None)
    inputs = network_inputs(None, 3, FixedPoint.parse("ap_ufixed<10,10>"))
    kind = FixedPoint.parse("ap_ufixed<16,8>")
    network = describe(project, "x", inputs, kind, squared=True, scaled=False)
    (layer,) = network.document.layers
    assert np.array_equal(np.diag(layer.weights), [0.5, -0.25, np.floor(1.26 * 2**15) / 2**15])
    assert layer.bias == (1.0, 2.0, -0.375)
    codes = fixed.run(network, np.array([[3, 100, 7]]))["layer2_out"]
    assert codes.tolist() == [[20, -184, 68]]
