"""Vectors of 64 lanes in compiled functions: crossings side by side (`docs/networks.md`, "Backends").

numba has no such type; here it gets one, with the few operations that fixed-point layers need. They are written in
LLVM's portable instructions, so any processor runs them; an instruction for dot products of int16 pairs is used where
there is one.
"""
# numba's cache knows the files of the kernels alone: after a change here, touch input_kernel.py and native_kernel.py.
# numba reads the parameters' names, and passes more than each function needs
# ruff: noqa: ARG001
# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators, disable-error-code="misc"

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as numba_intrinsic
from numba.extending import models, register_model

intrinsic: Any = numba_intrinsic  # its types hide that compiled code does not pass the typing context

LANES: Final = 64
"""Crossings in a vector: four registers of 512 bits, so that four sums wait for no one."""

WORDS_AT_ONCE: Final = 4
"""Neighbouring words that `transpose` reads of a row."""

SQUARE: Final = 16
"""Rows and items of a row that `store_rows` writes."""

_ROWS_AT_ONCE: Final = 16
_ITEM_BYTES: Final = 4
_I16: Final = ir.IntType(16)
_I32: Final = ir.IntType(32)
_VECTOR: Final = ir.VectorType(_I32, LANES)
_LONG_VECTOR: Final = ir.VectorType(ir.IntType(64), LANES)
_PAIR_PRODUCTS: Final = {"+avx512bw": ("llvm.x86.avx512.pmaddw.d.512", 16), "+avx2": ("llvm.x86.avx2.pmadd.wd", 8)}
"""By feature of the processor: the instruction that multiplies int16 pairs and adds the two products, and its sums."""


class _VectorType(types.Type):
    """64 lanes of int32 or int64."""

    def __init__(self, item: types.Integer, vector: Any) -> None:
        self.item, self.vector = item, vector
        super().__init__(name=f"{item}x{LANES}")


@register_model(_VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: _VectorType) -> None:
        super().__init__(manager, kind, kind.vector)


_vector: Final = _VectorType(types.int32, _VECTOR)
_long_vector: Final = _VectorType(types.int64, _LONG_VECTOR)


def _select(builder: Any, first: Any, second: Any, lanes: Sequence[int]) -> Any:
    return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(_I32, len(lanes)), list(lanes)))


def _part(builder: Any, vector: Any, start: int, n: int) -> Any:
    return _select(builder, vector, ir.Constant(vector.type, ir.Undefined), range(start, start + n))


def _joined(builder: Any, parts: list[Any]) -> Any:
    """The vectors, a power of two of them, one after the other."""
    while len(parts) > 1:
        lanes = range(2 * parts[0].type.count)
        parts = [_select(builder, a, b, lanes) for a, b in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any, kind: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), kind.as_pointer())


def _prefetch(builder: Any, address: Any) -> None:
    pointer = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [pointer, _I32, _I32, _I32])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    read, keep, data = _I32(0), _I32(3), _I32(1)
    builder.call(function, [builder.inttoptr(address, pointer), read, keep, data])


@intrinsic
def load(typing_context, array, index):
    """The 64 items of a one-dimensional int32 array from `index` on; not checked."""

    def emit(context, builder, signature, arguments):
        array, index = arguments
        address = _address(context, builder, signature.args[0], array, index, _VECTOR)
        return builder.load(address, align=_ITEM_BYTES)

    return _vector(array, types.intp), emit


@intrinsic
def store(typing_context, array, index, vector):
    """Write to the 64 items of a one-dimensional int32 array from `index` on; not checked."""

    def emit(context, builder, signature, arguments):
        array, index, vector = arguments
        address = _address(context, builder, signature.args[0], array, index, _VECTOR)
        builder.store(vector, address, align=_ITEM_BYTES)
        return context.get_dummy_value()

    return types.void(array, types.intp, _vector), emit


@intrinsic
def splat(typing_context, number):
    """An int32 or int64 in all lanes."""
    kind = _long_vector if number == types.int64 else _vector

    def emit(context, builder, signature, arguments):
        undefined = ir.Constant(kind.vector, ir.Undefined)
        return _select(builder, builder.insert_element(undefined, arguments[0], _I32(0)), undefined, [0] * LANES)

    return kind(kind.item), emit


@intrinsic
def lengthened(typing_context, vector):
    """The lanes as int64."""

    def emit(context, builder, signature, arguments):
        return builder.sext(arguments[0], _LONG_VECTOR)

    return _long_vector(_vector), emit


@intrinsic
def shortened(typing_context, vector):
    """The lanes as int32, modulo 2^32."""

    def emit(context, builder, signature, arguments):
        return builder.trunc(arguments[0], _VECTOR)

    return _vector(_long_vector), emit


@intrinsic
def add_pair_products(typing_context, total, first, second):
    """`total` + Σ of the two products of the int16 halves of `first` and `second`, in each lane, modulo 2^32."""

    def emit(context, builder, signature, arguments):
        features = context.codegen().magic_tuple()[2]
        for feature, (name, n) in _PAIR_PRODUCTS.items():
            if feature in features:
                return _joined(builder, [_with_instruction(builder, name, n, i, arguments) for i in range(0, LANES, n)])
        return _with_products(builder, *arguments)

    return _vector(_vector, _vector, _vector), emit


def _with_instruction(builder: Any, name: str, n: int, start: int, arguments: Sequence[Any]) -> Any:
    halves, sums = ir.VectorType(_I16, 2 * n), ir.VectorType(_I32, n)
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(sums, [halves, halves]), name)
    total, first, second = (_part(builder, argument, start, n) for argument in arguments)
    products = builder.call(function, [builder.bitcast(first, halves), builder.bitcast(second, halves)])
    return builder.add(total, products)


def _with_products(builder: Any, total: Any, first: Any, second: Any) -> Any:
    half = ir.Constant(_VECTOR, [16] * LANES)
    low = [builder.ashr(builder.shl(vector, half), half) for vector in (first, second)]
    high = [builder.ashr(vector, half) for vector in (first, second)]
    return builder.add(total, builder.add(builder.mul(*low), builder.mul(*high)))


def _lane_by_lane(emit_one):
    """An operation on two vectors of one kind."""

    @intrinsic
    def operation(typing_context, first, second):
        def emit(context, builder, signature, arguments):
            return emit_one(builder, *arguments)

        return first(first, first), emit

    return operation


add: Final = _lane_by_lane(lambda builder, a, b: builder.add(a, b))
subtract: Final = _lane_by_lane(lambda builder, a, b: builder.sub(a, b))
multiply: Final = _lane_by_lane(lambda builder, a, b: builder.mul(a, b))
bit_and: Final = _lane_by_lane(lambda builder, a, b: builder.and_(a, b))
bit_or: Final = _lane_by_lane(lambda builder, a, b: builder.or_(a, b))
shift_left: Final = _lane_by_lane(lambda builder, a, b: builder.shl(a, b))
shift_right: Final = _lane_by_lane(lambda builder, a, b: builder.ashr(a, b))
shift_right_unsigned: Final = _lane_by_lane(lambda builder, a, b: builder.lshr(a, b))
least: Final = _lane_by_lane(lambda builder, a, b: builder.select(builder.icmp_signed("<", a, b), a, b))
greatest: Final = _lane_by_lane(lambda builder, a, b: builder.select(builder.icmp_signed(">", a, b), a, b))


@intrinsic
def transpose(typing_context, address, row_bytes, out, index):
    """Read 4 neighbouring words of 64 rows, and write them word by word: 64 of the first word, and so on.

    The next 64 rows are fetched to the cache meanwhile.

    Args:
        typing_context: numba's.
        address: of the first word of the first row, int64; nothing is checked.
        row_bytes: from one row to the next.
        out: one-dimensional, int32.
        index: in `out`, of the first of 256 items.
    """

    def emit(context, builder, signature, arguments):
        address, row_bytes, out, index = arguments
        quad = ir.VectorType(_I32, WORDS_AT_ONCE)

        def row_words(i: int) -> Any:
            place = builder.add(address, builder.mul(row_bytes, ir.Constant(row_bytes.type, i)))
            next_place = builder.add(address, builder.mul(row_bytes, ir.Constant(row_bytes.type, i + LANES)))
            _prefetch(builder, next_place)
            return builder.load(builder.inttoptr(place, quad.as_pointer()), align=_ITEM_BYTES)

        for group in range(0, LANES, _ROWS_AT_ONCE):
            rows = _joined(builder, [row_words(group + i) for i in range(_ROWS_AT_ONCE)])
            for word in range(WORDS_AT_ONCE):
                lanes = range(word, WORDS_AT_ONCE * _ROWS_AT_ONCE, WORDS_AT_ONCE)
                column = _select(builder, rows, ir.Constant(rows.type, ir.Undefined), lanes)
                place = builder.add(index, ir.Constant(index.type, word * LANES + group))
                builder.store(
                    column, _address(context, builder, signature.args[2], out, place, column.type), align=_ITEM_BYTES
                )
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, out, types.intp), emit


@intrinsic
def store_rows(typing_context, lanes, index, unit, out, item, row_items):
    """Write 16 items of 16 rows, from 16 vectors that hold an item of 64 rows each.

    Args:
        typing_context: numba's.
        lanes: one-dimensional, int32.
        index: in `lanes`, of the first of the 16 rows in the first of the 16 vectors.
        unit: what the integers are multiplied with, float64; only if `out` is of floating-point numbers.
        out: where to write, of whatever type; nothing is checked.
        item: the first item of the first row, counted from the array's first.
        row_items: from one row to the next.
    """

    def emit(context, builder, signature, arguments):
        lanes, index, unit, out, item, row_items = arguments
        vector = ir.VectorType(_I32, SQUARE)

        def item_of_rows(i: int) -> Any:
            place = builder.add(index, ir.Constant(index.type, i * LANES))
            address = _address(context, builder, signature.args[0], lanes, place, vector)
            return builder.load(address, align=_ITEM_BYTES)

        kind = signature.args[3].dtype
        written = ir.VectorType(context.get_value_type(kind), SQUARE)
        for i, row in enumerate(_transposed(builder, [item_of_rows(i) for i in range(SQUARE)])):
            place = builder.add(item, builder.mul(row_items, ir.Constant(row_items.type, i)))
            numbers = _as_numbers(builder, row, kind, written, unit)
            address = _address(context, builder, signature.args[3], out, place, written)
            builder.store(numbers, address, align=kind.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(lanes, types.intp, types.float64, out, types.intp, types.intp), emit


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """A square matrix turned over: of two rows half the matrix apart, the items are shuffled like cards."""
    n = len(rows)
    for _ in range(n.bit_length() - 1):
        pairs = list(zip(rows[: n // 2], rows[n // 2 :], strict=True))
        cards = [[lane for i in range(n // 2) for lane in (first + i, n + first + i)] for first in (0, n // 2)]
        rows = [_select(builder, a, b, lanes) for a, b in pairs for lanes in cards]
    return rows


def _as_numbers(builder: Any, integers: Any, kind: Any, written: Any, unit: Any) -> Any:
    """int32 lanes as numbers of another kind, times the unit if these are floating-point."""
    if isinstance(kind, types.Float):
        factor = builder.fptrunc(unit, written.element) if kind.bitwidth < types.float64.bitwidth else unit
        undefined = ir.Constant(written, ir.Undefined)
        factors = _select(builder, builder.insert_element(undefined, factor, _I32(0)), undefined, [0] * SQUARE)
        return builder.fmul(builder.sitofp(integers, written), factors)
    if kind.bitwidth == _I32.width:
        return integers
    return (builder.sext if kind.bitwidth > _I32.width else builder.trunc)(integers, written)
