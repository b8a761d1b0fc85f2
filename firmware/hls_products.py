"""Layers that multiply and add, as hls4ml's own functions: dense, convolution, dot product."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from firmware.hls_design import Numbers
from firmware.hls_step import PRODUCT, Step
from firmware.hls_strategies import Strategy, kernel_of, transposed, write_distributed
from firmware.hls_types import least_type
from models.fixed_point import FixedPoint
from models.network_document import Conv2DLayer, DenseLayer
from models.network_layers import Constants, Conv2D, Dense, Dot

_MOST_BUFFERED: Final = 1 << 14
"""Numbers of all windows of a convolution that stand beside each other; of larger ones, one window at a time."""


def write_dense(layer: Dense, step: Step) -> None:
    """`nnet::dense`, or adders that da4ml makes."""
    if not layer.accumulator.bits:
        step.design.zero(step.to)
        return
    design = step.design
    if design.strategy is Strategy.DISTRIBUTED_ARITHMETIC and step.output.name in design.exact_sums:
        write_distributed(layer, step)
        return
    kernel = kernel_of(layer, design.strategy, design.reuse)
    _add_weights(replace(layer, weights=transposed(layer.weights)) if kernel.transposed else layer, step)
    n_in, n_out = layer.weights.codes.shape
    zeros = int((layer.weights.codes == 0).sum())
    step.design.use_stack(layer.accumulator, n_in * n_out + n_out)
    step.design.headers.add("nnet_dense.h")
    constants = {
        "n_in": n_in,
        "n_out": n_out,
        "io_type": "nnet::io_parallel",
        "strategy": f"nnet::{kernel.strategy}",
        "reuse_factor": kernel.reuse,
        "n_zeros": zeros,
        "n_nonzeros": layer.weights.codes.size - zeros,
        "multiplier_limit": "DIV_ROUNDUP(n_in * n_out, reuse_factor) - n_zeros / reuse_factor",
    }
    lines = (
        *_weight_types(step.index),
        "typedef ap_uint<1> index_t;",
        "template <class data_T, class res_T, class CONFIG_T>",
        f"using kernel = nnet::{kernel.name}<data_T, res_T, CONFIG_T>;",
        PRODUCT,
    )
    step.config("nnet::dense_config", constants, lines)
    step.accumulate("nnet::dense", layer.accumulator, f", w{step.index}, b{step.index}")


def write_conv2d(layer: Conv2D, step: Step) -> None:
    """`nnet::conv_2d_cl`, the windows taken by a function of l1chain."""
    if not layer.accumulator.bits:
        step.design.zero(step.to)
        return
    _add_weights(layer, step)
    (height, width, channels), (out_height, out_width, filters) = step.read_tensors[0].shape, step.output.shape
    rows, columns, _, _ = layer.weights.codes.shape
    window, n_windows = rows * columns * channels, out_height * out_width
    n_pixels = n_windows if n_windows * window <= _MOST_BUFFERED else 1
    step.design.use_stack(layer.accumulator, (window + 1) * filters)
    step.design.use_stack(step.read[0].kind, n_pixels * window)
    step.design.headers.add("nnet_conv2d.h")
    multiplication = {"n_in": window, "n_out": filters, "reuse_factor": step.design.reuse, "strategy": "nnet::latency"}
    limit: dict[str, int | str] = {"multiplier_limit": "DIV_ROUNDUP(n_in * n_out, reuse_factor)"}
    types = _weight_types(step.index)
    step.config("nnet::dense_config", multiplication | limit, (*types, PRODUCT), name=f"config{step.index}_mult")
    constants = {
        "pad_top": layer.padding[0][0],
        "pad_bottom": layer.padding[0][1],
        "pad_left": layer.padding[1][0],
        "pad_right": layer.padding[1][1],
        "in_height": height,
        "in_width": width,
        "n_chan": channels,
        "filt_height": rows,
        "filt_width": columns,
        "kernel_size": rows * columns,
        "n_filt": filters,
        "stride_height": layer.stride[0],
        "stride_width": layer.stride[1],
        "out_height": out_height,
        "out_width": out_width,
        "reuse_factor": step.design.reuse,
        "strategy": "nnet::latency",
        "n_partitions": n_windows // n_pixels,
        "n_pixels": n_pixels,
    }
    lines = (
        "template <class data_T, class CONFIG_T>",
        "using fill_buffer = l1chain::FillConv2DBuffer<data_T, CONFIG_T>;",
        *types,
        f"typedef config{step.index}_mult mult_config;",
    )
    step.config("nnet::conv2d_config", constants, lines)
    step.accumulate("nnet::conv_2d_cl", layer.accumulator, f", w{step.index}, b{step.index}")


def write_dot(layer: Dot, step: Step) -> None:
    """`nnet::dot1d`."""
    if not layer.accumulator.bits:
        step.design.zero(step.to)
        return
    n_in = step.read[0].size
    accumulator = step.design.add_type(f"accum{step.index}_t", layer.accumulator)
    step.design.use_stack(layer.accumulator, n_in)
    step.design.headers.add("nnet_merge.h")
    constants: dict[str, int | str] = {
        "n_in": n_in,
        "n_out": 1,
        "reuse_factor": step.design.reuse,
        "multiplier_limit": "DIV_ROUNDUP(n_in, reuse_factor)",
    }
    step.config("nnet::dot_config", constants, (f"typedef {accumulator} accum_t;", PRODUCT))
    step.call("nnet::dot1d")


def _add_weights(layer: Dense | Conv2D, step: Step) -> None:
    weights, bias = None, None
    if isinstance(step.stated, DenseLayer | Conv2DLayer):
        weights, bias = step.stated.weight_type, step.stated.bias_type
    for name, numbers, stated in (("weight", layer.weights, weights), ("bias", layer.bias, bias)):
        type_name = step.design.add_type(f"{name}{step.index}_t", _number_type(numbers, stated))
        step.design.numbers.append(Numbers(f"{name[0]}{step.index}", type_name, numbers.codes, numbers.fraction_bits))
    step.design.add_type(f"accum{step.index}_t", layer.accumulator)


def _weight_types(index: int) -> tuple[str, ...]:
    return tuple(f"typedef {name}{index}_t {name}_t;" for name in ("accum", "bias", "weight"))


def _number_type(numbers: Constants, stated: tuple[FixedPoint, ...] | None) -> FixedPoint:
    """The type as the network states it, if it is one; else the least that holds the numbers."""
    if stated is None or len(set(stated)) != 1 or not stated[0].bits:
        return least_type(numbers)
    return FixedPoint(stated[0].bits, stated[0].integer_bits, stated[0].signed)
