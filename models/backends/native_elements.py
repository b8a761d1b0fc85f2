"""The numbers that the native backend computes: which there are, what they can be, and what makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.backends.native_layout import Product
from models.backends.native_sums import (
    Conversion,
    Exact,
    Range,
    Sums,
    comparison_with_zero,
    conversion,
    identity,
)
from models.errors import BackendLimit
from models.fixed_point import FixedPoint, Overflow


@dataclass(frozen=True)
class SumSource:
    """Elements that are sums of others, converted."""

    sums: Sums
    conversions: tuple[Conversion, ...] = ()


@dataclass(frozen=True)
class ProductSource:
    """Elements that are sums of products, each product converted by `rounding`, then the sums.

    Attributes:
        products: of each element.
        bias: `(n,)`.
        rounding: one number; what a product needs on the way.
        largest: what the sums need on the way.
        conversions: of the sums.
    """

    products: tuple[tuple[Product, ...], ...]
    bias: Exact
    rounding: Conversion
    largest: Range
    conversions: tuple[Conversion, ...] = ()


UNLIMITED: Final = 256
"""Bits that no number here needs."""

Source = SumSource | ProductSource


class Elements:
    """All elements, numbered; a tensor is `Sums` of them."""

    def __init__(self) -> None:
        self._low: Exact = np.empty(0, object)
        self._high: Exact = np.empty(0, object)
        self._made_by: Final[dict[int, tuple[range, Source]]] = {}

    def new(self, codes: Range, source: Source | None) -> NDArray[np.int64]:
        """Elements with such codes, made together; the network's inputs have no source."""
        first = len(self._low)
        self._low, self._high = np.concatenate([self._low, codes.low]), np.concatenate([self._high, codes.high])
        these = range(first, len(self._low))
        if source is not None:
            self._made_by.update((element, (these, source)) for element in these)
        return np.arange(first, len(self._low))

    def made_by(self, element: int) -> tuple[range, Source] | None:
        """What makes an element, and which are made with it; None for the network's inputs."""
        return self._made_by.get(element)

    def ends(self, elements: NDArray[np.int64]) -> tuple[Exact, Exact]:
        """The least and the greatest codes."""
        return self._low[elements], self._high[elements]

    def range_of(self, elements: NDArray[np.int64]) -> Range:
        """What the elements can be."""
        return Range(*self.ends(elements))

    def product_range(self, products: Sequence[Product]) -> Range:
        """What each product can be."""
        if not products:
            return Range(np.zeros(1, object), np.zeros(1, object))
        low, high = np.append(self._low, 1), np.append(self._high, 1)  # `ONE` is the last
        a, b, weight = (np.array(column, object) for column in zip(*products, strict=True))
        first, second = a.astype(np.int64), b.astype(np.int64)
        ends = np.stack([x[first] * y[second] * weight for x in (low, high) for y in (low, high)])
        return Range(ends.min(axis=0), ends.max(axis=0))

    def plain(self, sums: Sums) -> Sums:
        """The numbers as elements, one each, in units as coarse as they may be."""
        return sums if _is_identity(sums) else self.as_elements(sums.reduced())

    def as_elements(self, sums: Sums) -> Sums:
        """The numbers as elements, one each, in the same units."""
        if _is_identity(sums):
            return sums
        return identity(self.new(sums.range_of(*self.ends(sums.elements)), SumSource(sums)), sums.fraction)

    def converted(self, sums: Sums, kinds: Sequence[FixedPoint], *, relu: bool = False) -> Sums:
        """The numbers in other types: the same sums if that changes nothing, else new elements."""
        values = sums.range_of(*self.ends(sums.elements))
        relu = relu and bool((values.low < 0).any())
        if not relu and _unchanged(sums, *self.ends(sums.elements), kinds):
            return sums
        made = self._made_as_they_are(sums)
        source = made if made is not None else SumSource(sums)
        if relu and not _only_clipping(kinds):
            source = replace(source, conversions=(*source.conversions, comparison_with_zero(values)))
            values, relu = source.conversions[-1].result, False
        last = conversion(values, sums.fraction, kinds, relu=relu)
        source = replace(source, conversions=(*source.conversions, last))
        return identity(self.new(last.result, source), np.array([kind.fraction_bits for kind in kinds], np.int64))

    def _made_as_they_are(self, sums: Sums) -> Source | None:
        """What makes the numbers, if they are just the elements of one layer, all of them."""
        made = self.made_by(int(sums.elements[0])) if _is_identity(sums) else None
        return made[1] if made is not None and list(made[0]) == sums.elements.tolist() else None


def _is_identity(sums: Sums) -> bool:
    n = len(sums.bias)
    if len(sums.elements) != n or sums.bias.any():
        return False
    return bool((sums.weights == np.eye(n, dtype=np.int64)).all())


def in_range(codes: Range, kind: FixedPoint) -> bool:
    """Whether all codes are in the range of a type with the same units."""
    least, most = kind.code_range
    return bool((codes.low >= least).all() and (codes.high <= most).all())


def rounding_of(products: Range, fraction: int, accumulator: FixedPoint | None) -> Conversion:
    """One conversion for all the products: rounded to the accumulator's last bit, if there is one."""
    kind = FixedPoint(UNLIMITED, UNLIMITED - fraction)
    if accumulator is not None:
        kind = FixedPoint(UNLIMITED, UNLIMITED - accumulator.fraction_bits, rounding=accumulator.rounding)
    n = len(products.low)
    made = conversion(products, np.full(n, fraction), (kind,) * n)
    if accumulator is not None and not in_range(made.result, accumulator):
        only_wrapping(accumulator)
    return made


def _unchanged(sums: Sums, low: Exact, high: Exact, kinds: Sequence[FixedPoint]) -> bool:
    """Whether no number needs rounding, or is out of its type's range."""
    reduced = sums.reduced()
    finer = np.array([kind.fraction_bits for kind in kinds]) - reduced.fraction
    if (finer < 0).any():
        return False
    values = reduced.with_fraction(reduced.fraction + finer).range_of(low, high)
    limits = np.array([kind.code_range for kind in kinds], object)
    return bool((values.low >= limits[:, 0]).all() and (values.high <= limits[:, 1]).all())


def _only_clipping(kinds: Sequence[FixedPoint]) -> bool:
    """Whether numbers out of the types' ranges are clipped, so that the comparison with zero can come after that."""
    return all(kind.overflow in (Overflow.SATURATE, Overflow.SATURATE_SYMMETRIC) for kind in kinds)


def only_wrapping(accumulator: FixedPoint) -> None:
    """Go on only if the accumulator wraps, so that its overflows can be handled at the end.

    Raises:
        BackendLimit: it does not.
    """
    if accumulator.overflow is not Overflow.WRAP:
        raise limit(f"an accumulator {accumulator} that can overflow on the way is")


def limit(what: str) -> BackendLimit:
    """The error about something that the kernel cannot compute."""
    return BackendLimit("native", what, "onnxruntime")
