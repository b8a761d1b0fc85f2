"""The integer scaling of a network's inputs as C++, a part of the design (`docs/networks.md`, "Input scaling")."""

from __future__ import annotations

from typing import Final

from firmware.hls_design import Design, Numbers, Variable, is_zero
from firmware.hls_step import convert
from firmware.hls_types import least_type
from models.fixed_point import Overflow, Rounding
from models.network_layers import Constants, Tensor
from models.network_model import Scaling

INDEX: Final = 2
"""Of the scaling in names; the inputs are 1."""
_CONFIG: Final = """struct config{index} {{
    static const unsigned n_in = {n_in};
    typedef offset{index}_t offset_t;
    typedef unscaled{index}_t unscaled_t;
}};"""
_WIDEST_SHIFTED: Final = 64


def add_scaling(design: Design, scaling: Scaling, given: Variable, inputs: Tensor) -> None:
    """Add what makes the network's inputs of the given numbers."""
    design.statements.append("// input scaling")
    to = design.declare(inputs, f"layer{INDEX}_out", f"layer{INDEX}_t")
    if not scaling.unscaled.bits or is_zero(inputs):
        design.zero(to)
    else:
        _scale(design, scaling, given, inputs, to)
    design.end_layer(inputs, to)


def _scale(design: Design, scaling: Scaling, given: Variable, inputs: Tensor, to: Variable) -> None:
    offset = Constants(scaling.offset, scaling.offset_fraction_bits)
    unscaled_t = design.add_type(f"unscaled{INDEX}_t", scaling.unscaled)
    offset_t = design.add_type(f"offset{INDEX}_t", least_type(offset))
    design.numbers.append(Numbers(f"offset{INDEX}", offset_t, offset.codes, offset.fraction_bits))
    if inputs.uniform_type is not None and _shifts_within(scaling):
        design.numbers.append(Numbers(f"shift{INDEX}", "int", scaling.shift, 0))
        design.configs.append(_CONFIG.format(index=INDEX, n_in=to.size))
        call = f"l1chain::scale_inputs<{given.type_name}, {to.type_name}, config{INDEX}>"
        design.statements.append(f"{call}({given.name}, {to.name}, offset{INDEX}, shift{INDEX});")
    else:
        call = f"l1chain::scale_input<{{}}, {unscaled_t}>({given.name}[{{}}], offset{INDEX}[{{}}])"
        values = (call.format(shift, i, i) for i, shift in enumerate(scaling.shift.tolist()))
        convert(design, to, inputs, values)


def _shifts_within(scaling: Scaling) -> bool:
    """Whether a shift that stays in the type of the steps gives what the exact product, converted to it, gives."""
    kind, shift = scaling.unscaled, scaling.shift
    cuts = kind.rounding is Rounding.DOWN and (kind.overflow is Overflow.WRAP or bool((shift >= 0).all()))
    return cuts and kind.bits <= _WIDEST_SHIFTED and bool((abs(shift) < kind.bits).all())
