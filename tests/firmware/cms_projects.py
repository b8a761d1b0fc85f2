# ruff: noqa: E501 - lines of C++ as projects have them
"""Writes networks as C++ projects in the layouts of CMS's repositories and of hls4ml, for tests of the import.

A folder `NN/` with one `weights.h`, a header of input scaling and an emulator class, as for AXOL1TL; a flat folder with
`weights/wN.h` and sizes as macros, as for CICADA; a folder `firmware/` with weights that are read from text files unless
`__SYNTHESIS__` is defined, as hls4ml 1.x writes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from models.fixed_point import FixedPoint
from models.network import Network
from models.network_document import (
    Conv2DLayer,
    DenseLayer,
    DotLayer,
    LinearLayer,
    ReluLayer,
    ReshapeLayer,
    SubtractLayer,
)

HEADS = '#include "ap_fixed.h"\n#include "ap_int.h"\n'
PRODUCT = "    template <class x_T, class y_T>\n    using product = nnet::product::mult<x_T, y_T>;\n"

CODE_GENERATED = """#ifndef NNET_INSTR_GEN_H_
#define NNET_INSTR_GEN_H_
#include "nnet_helpers.h"
#include "nnet_common.h"
#include "nnet_function_stubs.h"
namespace nnet {
template <class data_T, typename CONFIG_T> class fill_all : public FillConv2DBuffer<data_T, CONFIG_T> {
  public:
    static void fill_buffer(data_T *data, data_T buffer[CONFIG_T::n_pixels][CONFIG_T::kernel_size * CONFIG_T::n_chan],
                            const unsigned partition) {
        for (unsigned p = 0; p < CONFIG_T::n_pixels; p++) {
            unsigned row = p / CONFIG_T::out_width * CONFIG_T::stride_height;
            unsigned column = p % CONFIG_T::out_width * CONFIG_T::stride_width;
            unsigned k = 0;
            for (unsigned i = 0; i < CONFIG_T::filt_height; i++)
                for (unsigned j = 0; j < CONFIG_T::filt_width; j++)
                    for (unsigned c = 0; c < CONFIG_T::n_chan; c++)
                        buffer[p][k++] = data[((row + i) * CONFIG_T::in_width + column + j) * CONFIG_T::n_chan + c];
        }
    }
};
}
#endif
"""
"""What hls4ml writes for a convolution, as loops."""


@dataclass
class Parts:
    """What a project consists of, in pieces of C++."""

    sizes: dict[str, int] = field(default_factory=dict)
    types: list[tuple[str, str]] = field(default_factory=list)
    configs: list[str] = field(default_factory=list)
    arrays: list[tuple[str, str, list[float]]] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    arguments: str = ""
    n_inputs: str = ""
    n_outputs: str = ""


def short(kind: FixedPoint) -> str:
    """A type as projects write it: without what goes without saying."""
    text = str(kind).replace(",AP_TRN,AP_WRAP", "")
    return (
        text
        if kind.fraction_bits != 0 or "," not in text.replace(f"{kind.bits},{kind.bits}", "")
        else (text.replace("fixed<", "int<").split(",")[0] + ">")
    )


def parts_of(network: Network, kernels: bool = False) -> Parts:
    """A network's layers as the calls that hls4ml writes; `kernels`: as 1.x, which names the kernel of a dense layer."""
    document, parts, names = network.document, Parts(), {network.input_tensor: ("input_2", "input_t")}
    parts.sizes["N_INPUT_1_1"] = network.n_inputs
    parts.types.append(("input_t", short(network.tensors[network.input_tensor].types[0])))
    last = _last_layer(document)
    for n, layer in enumerate(network.document.layers, 2):
        made = network.tensors[layer.output]
        variable, kind = f"layer{n}_out", "result_t" if layer is last else f"layer{n}_t"
        if isinstance(layer, ReshapeLayer):
            parts.body.append(f"auto& {variable} = {names[layer.input][0]};")
            names[layer.output] = (variable, names[layer.input][1])
            continue
        parts.types.append((kind, short(made.types[0])))
        parts.sizes[f"N_LAYER_{n}"] = made.size
        if layer is not last:
            parts.body.append(f"{kind} {variable}[N_LAYER_{n}];")
            parts.body.append(f"#pragma HLS ARRAY_PARTITION variable={variable} complete dim=0")
        names[layer.output] = (variable, kind)
        parts.body.append(_call(parts, layer, n, variable, kind, names, network, kernels) + f" // {layer.output}")
        if layer is last:
            parts.arguments, parts.n_outputs = variable, f"N_LAYER_{n}"
    parts.n_inputs = "N_INPUT_1_1"
    return parts


def _last_layer(document: Any) -> Any:
    return next(layer for layer in document.layers if layer.output == document.score.of)


def _call(parts: Parts, layer: Any, n: int, made: str, kind: str, names: Any, network: Network, kernels: bool) -> str:
    match layer:
        case DenseLayer():
            given, given_kind = names[layer.input]
            weights = np.array(layer.weights)
            _weights(parts, layer, n, weights)
            kernel = "    template <class data_T, class res_T, class CONFIG_T>\n    using kernel = nnet::DenseLatency<data_T, res_T, CONFIG_T>;\n"
            parts.configs.append(_dense_config(f"config{n}", n, *weights.shape, kernel * kernels))
            return f"nnet::dense<{given_kind}, {kind}, config{n}>({given}, {made}, w{n}, b{n});"
        case Conv2DLayer():
            given, given_kind = names[layer.input]
            weights = np.array(layer.weights)
            _weights(parts, layer, n, weights)
            parts.configs.append(_conv_config(network, layer, n, weights))
            return f"nnet::conv_2d_cl<{given_kind}, {kind}, config{n}>({given}, {made}, w{n}, b{n});"
        case ReluLayer() | LinearLayer():
            op = "relu" if isinstance(layer, ReluLayer) else "linear"
            given, given_kind = names[layer.input]
            size = network.tensors[layer.output].size
            parts.types.append((f"layer{n}_table_t", "ap_fixed<18,8>"))
            parts.configs.append(
                f"struct {op}_config{n} : nnet::activ_config {{\n    static const unsigned n_in = {size};\n"
                "    static const unsigned table_size = 1024;\n    static const unsigned io_type = nnet::io_parallel;\n"
                f"    static const unsigned reuse_factor = 1;\n    typedef layer{n}_table_t table_t;\n}};\n"
            )
            return f"nnet::{op}<{given_kind}, {kind}, {op}_config{n}>({given}, {made});"
        case SubtractLayer():
            (a, a_kind), (b, b_kind) = (names[name] for name in layer.inputs)
            parts.configs.append(
                f"struct config{n} : nnet::merge_config {{\n    static const unsigned n_elem = N_LAYER_{n};\n"
                "    static const unsigned reuse_factor = 1;\n};\n"
            )
            return f"nnet::subtract<{a_kind}, {b_kind}, {kind}, config{n}>({a}, {b}, {made});"
        case DotLayer():
            (a, a_kind), (b, b_kind) = (names[name] for name in layer.inputs)
            parts.types.append(("dot_accum_t", short(layer.accumulator_type)))
            n_in = network.tensors[layer.inputs[0]].size
            parts.configs.append(
                f"struct config{n} : nnet::dot_config {{\n    static const unsigned n_in = {n_in};\n"
                "    static const unsigned n_out = 1;\n    static const unsigned reuse_factor = 1;\n"
                "    static const unsigned multiplier_limit = DIV_ROUNDUP(n_in, reuse_factor);\n"
                f"    typedef dot_accum_t accum_t;\n{PRODUCT}}};\n"
            )
            return f"nnet::dot1d<{a_kind}, {b_kind}, {kind}, config{n}>({a}, {b}, {made});"
    raise NotImplementedError(layer.op)


def _weights(parts: Parts, layer: Any, n: int, weights: Any) -> None:
    parts.types += [(f"layer{n}_accum_t", short(layer.accumulator_type)), (f"weight{n}_t", short(layer.weight_type[0]))]
    parts.types += [(f"bias{n}_t", short(layer.bias_type[0])), (f"layer{n}_index", "ap_uint<1>")]
    parts.arrays += [(f"weight{n}_t", f"w{n}", weights.ravel().tolist()), (f"bias{n}_t", f"b{n}", list(layer.bias))]


def _dense_config(name: str, n: int, n_in: int, n_out: int, kernel: str) -> str:
    return (
        f"struct {name} : nnet::dense_config {{\n"
        f"    static const unsigned n_in = {n_in};\n    static const unsigned n_out = {n_out};\n"
        "    static const unsigned io_type = nnet::io_parallel;\n    static const unsigned strategy = nnet::latency;\n"
        "    static const unsigned reuse_factor = 1;\n    static const unsigned n_zeros = 0;\n"
        "    static const unsigned multiplier_limit = DIV_ROUNDUP(n_in * n_out, reuse_factor) - n_zeros / reuse_factor;\n"
        "    static const bool store_weights_in_bram = false;\n"
        f"    typedef layer{n}_accum_t accum_t;\n    typedef bias{n}_t bias_t;\n    typedef weight{n}_t weight_t;\n"
        f"    typedef layer{n}_index index_t;\n{kernel}{PRODUCT}}};\n"
    )


def _conv_config(network: Network, layer: Conv2DLayer, n: int, weights: Any) -> str:
    height, width, channels, filters = weights.shape
    image, made = network.tensors[layer.input].shape, network.tensors[layer.output].shape
    sizes = {
        "pad_top": 0, "pad_bottom": 0, "pad_left": 0, "pad_right": 0, "in_height": image[0], "in_width": image[1],
        "n_chan": channels, "filt_height": height, "filt_width": width, "kernel_size": "filt_height * filt_width",
        "n_filt": filters, "stride_height": layer.stride[0], "stride_width": layer.stride[1], "out_height": made[0],
        "out_width": made[1], "reuse_factor": 1, "n_zeros": 0, "strategy": "nnet::latency",
        "min_height": image[0], "min_width": image[1], "n_partitions": 1,
        "n_pixels": "out_height * out_width / n_partitions",
    }  # fmt: skip
    lines = "".join(f"    static const unsigned {key} = {value};\n" for key, value in sizes.items())
    multiplier = _dense_config(f"config{n}_mult", n, height * width * channels, filters, "")
    return multiplier + (
        f"struct config{n} : nnet::conv2d_config {{\n{lines}"
        "    static const unsigned multiplier_limit =\n        DIV_ROUNDUP(kernel_size * n_chan * n_filt, reuse_factor) - n_zeros;\n"
        "    static const bool store_weights_in_bram = false;\n"
        "    static const nnet::conv_implementation implementation = nnet::conv_implementation::linebuffer;\n"
        "    static const ap_uint<filt_height * filt_width> pixels[min_height * min_width];\n"
        "    template <class data_T, class CONFIG_T> using fill_buffer = FILL_BUFFER<data_T, CONFIG_T>;\n"
        f"    typedef layer{n}_accum_t accum_t;\n    typedef bias{n}_t bias_t;\n    typedef weight{n}_t weight_t;\n"
        f"    typedef config{n}_mult mult_config;\n"
        "    template <unsigned K, unsigned S, unsigned W> using scale_index_height = nnet::scale_index_unscaled<K, S, W>;\n"
        "    template <unsigned K, unsigned S, unsigned W> using scale_index_width = nnet::scale_index_unscaled<K, S, W>;\n};\n"
        f"const ap_uint<config{n}::filt_height * config{n}::filt_width> config{n}::pixels[] = {{0}};\n"
    )


def values(numbers: list[float]) -> str:
    return ", ".join(f"{number:.10f}" for number in numbers)


def typedefs(parts: Parts) -> str:
    return "".join(f"typedef {text} {name};\n" for name, text in parts.types)


def axol1tl_folder(
    network: Network, folder: Path, tag: str = "v4", *, emulator: bool = True, weights_unit: bool = False
) -> Path:
    """As AXOL1TL: `NN/`, one header of weights, `scales.h`, an emulator that gives pairs."""
    parts, space, top = parts_of(network), f"hls4ml_axol1tl_{tag}", f"GTADModel_{tag}"
    wrapped = lambda text: f"namespace {space} {{\n{text}}} // namespace {space}\n"  # noqa: E731
    nn = folder / "NN"
    nn.mkdir(parents=True)
    score = network.document.score
    sizes = "".join(f"static const int {name}={size};\n" for name, size in parts.sizes.items())
    extern = "".join(f"extern {kind} {name}[{len(numbers)}];\n" for kind, name, numbers in parts.arrays)
    own = f"typedef {short(score.type)} resultsq_t; //from AD_NN_OUT_SQ_T\ntypedef ap_fixed<18,13> unscaled_t; //ap_fixed<1,1> unscaled_t;\n"
    heads = HEADS + '#include "nnet_utils/nnet_types.h"\n#include <cstddef>\n#include <cstdio>\n\n'
    (nn / "defines.h").write_text(
        f"#ifndef DEFINES_H_\n#define DEFINES_H_\n\n{heads}"
        + wrapped(f"{sizes}\n{typedefs(parts)}\n{own}\n{extern}")
        + "#endif"
    )
    arrays = "".join(
        f"{kind} {name}[{len(numbers)}] = {{{values(numbers)}}};\n" for kind, name, numbers in parts.arrays
    )
    if weights_unit:
        (nn / "weights.cpp").write_text('#include "defines.h"\n' + wrapped(arrays))
    else:
        (nn / "weights.h").write_text('#ifndef W_\n#define W_\n#include "defines.h"\n' + wrapped(arrays) + "#endif\n")
    included = "" if weights_unit else '#include "weights.h"\n'
    (nn / "parameters.h").write_text(
        "#ifndef PARAMETERS_H_\n#define PARAMETERS_H_\n"
        + HEADS
        + '#include "nnet_utils/nnet_helpers.h"\n//hls-fpga-machine-learning insert includes\n'
        '#include "nnet_utils/nnet_activation.h"\n#include "nnet_utils/nnet_dense.h"\n#include "nnet_utils/nnet_merge.h"\n'
        f'#include "defines.h"\n{included}// #include "weights/w2.h"\n' + wrapped("\n".join(parts.configs)) + "#endif\n"
    )
    signature = f"    input_t input_2[{parts.n_inputs}],\n    result_t {parts.arguments}[{parts.n_outputs}]\n"
    qualified = signature.replace("_t ", "_t ").replace("    ", f"\t       {space}::").replace("[", f"[{space}::")
    (nn / f"{top}.h").write_text(
        f'#ifndef TOP_H_\n#define TOP_H_\n{HEADS}#include "hls_stream.h"\n#include "defines.h"\n\n'
        + wrapped(f"void {top}(\n{qualified});\n")
        + "#endif\n"
    )
    loading = '#ifdef LOAD_WEIGHTS_FROM_TXT\n    static bool loaded_weights = false;\n    if (!loaded_weights) {\n        nnet::load_weights_from_txt<weight2_t, 4>(w2, "w2.txt");\n        loaded_weights = true;\n    }\n#endif\n'
    body = "\n    ".join(parts.body)
    (nn / f"{top}.cpp").write_text(
        f'#include <iostream>\n#include "{top}.h"\n#include "parameters.h"\n#include "defines.h"\n\n'
        + wrapped(f"void {top}(\n{signature}) {{\n//insert IO\n#pragma HLS PIPELINE \n{loading}\n    {body}\n}}\n\n")
    )
    scaling = network.document.scaling
    assert scaling is not None
    shifts, offsets = ", ".join(map(str, scaling.shift)), ", ".join(map(str, scaling.offset))
    (folder / "scales.h").write_text(
        f'#ifndef __ADT_SCALES_H\n#define __ADT_SCALES_H\n#include "NN/{top}.h"\n\n'
        + wrapped(
            f"typedef {short(scaling.shift_type)} ad_shift_t;\ntypedef {short(scaling.offset_type)} ad_offset_t;\n"
            f"const ad_shift_t ad_shift[{network.n_inputs}] = {{{shifts}}};\n"
            f"static const ad_offset_t ad_offsets[N_INPUT_1_1] = {{{offsets}}};\n"
        )
        + "#endif\n"
    )
    if emulator:
        (folder / f"{top}_emulator.cpp").write_text(
            _axol1tl_emulator(top, space, parts, score.kind == "sum_of_squares")
        )
    return folder


def _axol1tl_emulator(top: str, space: str, parts: Parts, squared: bool) -> str:
    n, m = parts.n_inputs, parts.n_outputs
    loss = (
        f"resultsq_t squares[{m}];\n        for (int i = 0; i < {m}; i++)\n            squares[i]  = r[i] * r[i];\n"
        f"        nnet::Op_add<resultsq_t> op;\n        return nnet::reduce<resultsq_t, {m}, nnet::Op_add<resultsq_t>>(squares, op);"
        if squared
        else "return r[0];"
    )
    result = f"std::pair<std::array<result_t, {m}>, resultsq_t>" if squared else "std::pair<result_t, resultsq_t>"
    first = f"for (int i = 0; i < {m}; i++) p->first[i] = _result[i];" if squared else "p->first = _result[0];"
    return f"""#include "NN/{top}.h"
#include "emulator.h"
#include "NN/nnet_utils/nnet_common.h"
#include <any>
#include "scales.h"
using namespace {space};

class {top}_emulator : public hls4mlEmulator::Model {{
private:
    unscaled_t _unscaled_input[{n}];
    input_t _scaled_input[{n}];
    result_t _result[{m}];
    resultsq_t _loss;
    virtual void _scale(unscaled_t unscaled[{n}], input_t scaled[{n}]) {{
        for (int i = 0; i < {n}; i++) {{
            unscaled_t tmp0 = unscaled[i] - {space}::ad_offsets[i];
            input_t tmp1 = tmp0 >> {space}::ad_shift[i];
            scaled[i] = tmp1;
        }}
    }}
    virtual resultsq_t _computeLoss(result_t r[{m}]) {{
        {loss}
    }}
public:
    virtual void prepare_input(std::any input) {{
        unscaled_t *p = std::any_cast<unscaled_t*>(input);
        for (int i = 0; i < {n}; i++) _unscaled_input[i] = std::any_cast<unscaled_t>(p[i]);
        _scale(_unscaled_input, _scaled_input);
    }}
    virtual void predict() {{
        {top}(_scaled_input, _result);
        _loss = _computeLoss(_result);
    }}
    virtual void read_result(std::any result) {{
        /* std::pair<std::array<result_t, 3>, result_t> *p = std::any_cast<std::pair<std::array<result_t, 3>, result_t>*>(result); */
        {result} *p = std::any_cast<{result}*>(result);
        {first}
        p->second = _loss;
    }}
}};
extern "C" hls4mlEmulator::Model* create_model() {{ return new {top}_emulator; }}
extern "C" void destroy_model(hls4mlEmulator::Model* m) {{ delete m; }}
"""


def cicada_folder(network: Network, folder: Path, tag: str = "v2p1p2") -> Path:
    """As CICADA: flat, sizes as macros, `weights/wN.h` in the namespace, an emulator that gives an array of results."""
    parts, space, top = parts_of(network), f"CICADA_{tag}", f"cicada_{tag}"
    wrapped = lambda text: f"namespace {space}{{\n{text}}}\n"  # noqa: E731
    (folder / "weights").mkdir(parents=True)
    sizes = "".join(f"#define {name} {size}\n" for name, size in parts.sizes.items())
    heads = HEADS + '#include "nnet_utils/nnet_types.h"\n\n'
    (folder / "defines.h").write_text(
        f"#ifndef DEFINES_H_\n#define DEFINES_H_\n{heads}{sizes}\n" + wrapped(typedefs(parts)) + "#endif\n"
    )
    for kind, name, numbers in parts.arrays:
        size = len(numbers)
        (folder / "weights" / f"{name}.h").write_text(
            f"//Numpy array shape [{size}]\n//Number of zeros 4\n\n#ifndef {name.upper()}_H_\n#define {name.upper()}_H_\n\n"
            + wrapped(
                f"#ifdef LOAD_WEIGHTS_FROM_TEXT\n  {kind} {name}[{size}];\n#else\n  {kind} {name}[{size}] = {{{values(numbers)}}};\n#endif\n"
            )
            + "\n#endif\n"
        )
    (folder / "nnet_utils").mkdir()
    (folder / "nnet_utils" / "nnet_code_gen.h").write_text(CODE_GENERATED)
    weights = "".join(f'#include "weights/{name}.h"\n' for _, name, _ in parts.arrays)
    code = (
        HEADS
        + '#include "nnet_utils/nnet_code_gen.h"\n#include "nnet_utils/nnet_helpers.h"\n#include "nnet_utils/nnet_activation.h"\n#include "nnet_utils/nnet_conv2d.h"\n#include "nnet_utils/nnet_conv2d_stream.h"\n#include "nnet_utils/nnet_dense.h"\n#include "nnet_utils/nnet_dense_compressed.h"\n'
    )
    configs = "\n".join(parts.configs).replace("FILL_BUFFER", "nnet::fill_all")
    (folder / "parameters.h").write_text(f"#ifndef P_\n#define P_\n{code}{weights}" + wrapped(configs) + "#endif\n")
    signature = f"input_t input_2[{parts.n_inputs}],\n\t\t result_t {parts.arguments}[{parts.n_outputs}]\n"
    (folder / "cicada.h").write_text(
        f'#ifndef C_\n#define C_\n{HEADS}#include "hls_stream.h"\n#include "defines.h"\n'
        + wrapped(f"  void {top}(\n\t\t {signature});\n")
        + "#endif\n"
    )
    body = "\n    ".join(parts.body)
    (folder / "cicada.cpp").write_text(
        '#include <iostream>\n#include "cicada.h"\n#include "parameters.h"\n'
        + wrapped(f"  void {top}(\n\t\t {signature}) {{\n#pragma HLS INLINE \n    {body}\n  }}\n")
    )
    model, n, m = f"caloADModel_{tag}", parts.n_inputs, parts.n_outputs
    (folder / f"{model}.cpp").write_text(f"""#include "cicada.h" //include of the top level of HLS model
#include "emulator.h" //include of emulator modeling
#include <any>
#include "ap_fixed.h"
using namespace {space};
class {model} : public hls4mlEmulator::Model{{
    private:
        input_t _input[{n}];
        result_t _result[{m}];
    public:
        virtual void prepare_input(std::any input)
        {{
            input_t* input_p = std::any_cast<input_t*>(input);
            for(int i = 0; i < {n}; ++i) _input[i] = std::any_cast<input_t>(input_p[i]);
        }}
        virtual void predict() {{ {top}(_input, _result); }}
        virtual void read_result(std::any result)
        {{
            result_t *result_p = std::any_cast<result_t*>(result);
            for (int i = 0; i < {m}; ++i) result_p[i] = _result[i];
        }}
}};
extern "C" hls4mlEmulator::Model* create_model() {{ return new {model}; }}
extern "C" void destroy_model(hls4mlEmulator::Model* m) {{ delete m; }}
""")
    return folder
