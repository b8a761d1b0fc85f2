"""Fetches memory to the cache before it is read, in compiled functions."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils as numba_cgutils
from numba.extending import intrinsic as numba_intrinsic

intrinsic: Any = numba_intrinsic
cgutils: Any = numba_cgutils

_BYTE_POINTER = ir.IntType(8).as_pointer()
_I32 = ir.IntType(32)


def _prefetch(typing_context: Any, array: Any, index: Any) -> Any:  # noqa: ARG001 - numba passes it
    """Fetch the cache line of an item, counted from the array's first, perhaps beyond its end; changes nothing."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        items = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(items, [arguments[1]]), _BYTE_POINTER)
        kind = ir.FunctionType(ir.VoidType(), [_BYTE_POINTER, _I32, _I32, _I32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        read, keep, data = _I32(0), _I32(3), _I32(1)
        return builder.call(function, [address, read, keep, data])

    return types.void(array, index), emit


prefetch: Any = intrinsic(_prefetch)
"""In compiled code: `prefetch(array, index)`."""
