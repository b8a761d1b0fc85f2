"""Operations on the bits of words that the kernel needs and NumPy's scalars lack, as compiler intrinsics."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


def _type_lowest_bit(_context: Any, _word: Any) -> Any:
    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), build


def _type_bit_count(_context: Any, _word: Any) -> Any:
    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), build


def _type_bit_length(_context: Any, _word: Any) -> Any:
    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        width = ir.Constant(ir.IntType(64), 64)
        return builder.sub(width, builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0)))

    return types.int64(types.uint64), build


def _type_slots_at_least(_context: Any, words: Any, _row: Any, n_slots: Any, _mask: Any, _low: Any) -> Any:
    if not isinstance(n_slots, types.IntegerLiteral):
        return None
    n = n_slots.literal_value

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        item = ir.IntType(kind.dtype.bitwidth)
        vector = ir.VectorType(item, n)
        array = context.make_array(kind)(context, builder, arguments[0])
        first = builder.mul(arguments[1], ir.Constant(arguments[1].type, n))
        pointer = builder.bitcast(builder.gep(array.data, [first]), vector.as_pointer())
        row = builder.load(pointer, align=kind.dtype.bitwidth // 8)
        mask, low = (_repeated(builder, argument, item, vector, n) for argument in arguments[3:])
        passed = builder.icmp_unsigned(">=", builder.and_(row, mask), low)
        return builder.zext(builder.bitcast(passed, ir.IntType(n)), ir.IntType(64))

    return types.uint64(words, types.intp, n_slots, types.uint64, types.uint64), build


def _repeated(builder: Any, value: Any, item: Any, vector: Any, n: int) -> Any:
    """A vector of `n` equal items."""
    narrow = value if item == value.type else builder.trunc(value, item)
    filled = ir.Constant(vector, ir.Undefined)
    for position in range(n):
        filled = builder.insert_element(filled, narrow, ir.Constant(ir.IntType(32), position))
    return filled


lowest_bit: Any = intrinsic(_type_lowest_bit)
"""`lowest_bit(word)`: the position of the lowest set bit of a word that is not zero."""

bit_count: Any = intrinsic(_type_bit_count)
"""`bit_count(word)`: the number of set bits."""

bit_length: Any = intrinsic(_type_bit_length)
"""`bit_length(word)`: how many bits the number needs; 0 for 0."""

slots_at_least: Any = intrinsic(_type_slots_at_least)
"""`slots_at_least(words, row, n_slots, mask, low)`: the slots whose words, masked, are at least `low`, as a bit mask.

Compares a whole row at once. `words` is contiguous with rows of `n_slots`, a literal; nothing is checked.
"""
