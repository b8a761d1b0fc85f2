"""Which units make the elements that a score needs, and with how many bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from models.backends.native_elements import Elements, ProductSource, SumSource, limit, rounding_of
from models.backends.native_kernel import Program, Stage
from models.backends.native_layout import Layout
from models.backends.native_sums import ONE, Conversion, Range, identity

CODE_BITS: Final = 16
_SUM_BITS, _PRODUCT_BITS = 32, 64
_LAST_SHIFT: Final = {_SUM_BITS: 31, _PRODUCT_BITS: 63}


def program_of(elements: Elements, n_inputs: int, wanted: Sequence[int]) -> Program:
    """The tables that make the wanted elements; the first of them is the score.

    Raises:
        BackendLimit: numbers that the kernel cannot hold.
    """
    maker = _Maker(elements, n_inputs)
    for element in wanted:
        maker.make(element, narrow=False)
    return maker.layout.program(wanted[0])


class _Maker:
    def __init__(self, elements: Elements, n_inputs: int) -> None:
        self._elements: Final = elements
        self.layout: Final = Layout(n_inputs)

    def make(self, element: int, *, narrow: bool) -> None:
        """Lay out the units that make an element, and all that are made with it."""
        if self.layout.has(element, narrow=narrow):
            return
        made = self._elements.made_by(element)
        if made is None:  # an input, which is narrow
            self.layout.add_sums(element, identity(np.array([element]), np.zeros(1, np.int64)), (), narrow=False)
            return
        elements, source = made
        if isinstance(source, SumSource) and self._is_small(elements, source):
            for needed in source.sums.elements:
                self.make(int(needed), narrow=True)
            self.layout.add_sums(elements[0], source.sums, source.conversions, narrow=narrow)
            return
        if not self.layout.has(element, narrow=False):
            self._make_products(elements, self._as_products(source) if isinstance(source, SumSource) else source)
        if narrow:
            self.layout.add_packed(elements)

    def _make_products(self, elements: range, source: ProductSource) -> None:
        if not (
            self._elements.range_of(np.array(elements)).within(_SUM_BITS)
            and _fits([source.rounding, *source.conversions], _PRODUCT_BITS)
            and source.largest.within(_PRODUCT_BITS)
            and _range_of([weight for products in source.products for *_, weight in products]).within(_PRODUCT_BITS)
        ):
            raise limit(f"numbers of more than {_SUM_BITS} bits, or products of more than {_PRODUCT_BITS}, are")
        for needed in {factor for products in source.products for product in products for factor in product[:2]}:
            self.make(needed, narrow=False)
        for i, products in enumerate(source.products):
            stages = [source.rounding.table[0], *(one.table[i] for one in source.conversions)]
            self.layout.add_products(elements[i], products, int(source.bias[i]), stages)

    def _as_products(self, source: SumSource) -> ProductSource:
        """The sums as sums of products with one."""
        sums = source.sums
        products = tuple(
            tuple((int(e), ONE, int(w)) for e, w in zip(sums.elements, column, strict=True) if w)
            for column in sums.weights.T
        )
        largest = sums.partial_range(*self._elements.ends(sums.elements))
        return ProductSource(products, sums.bias, rounding_of(largest, 0, None), largest, source.conversions)

    def _is_small(self, elements: range, source: SumSource) -> bool:
        """Whether 16-bit codes and weights and 32-bit sums hold everything."""
        sums = source.sums
        if not self._elements.range_of(np.array(elements)).within(_SUM_BITS):
            return False
        if not self._elements.range_of(sums.elements).within(CODE_BITS):
            return False
        values = sums.range_of(*self._elements.ends(sums.elements))
        weights = Range(sums.weights.reshape(-1), sums.weights.reshape(-1))
        return weights.within(CODE_BITS) and values.within(_SUM_BITS) and _fits(source.conversions, _SUM_BITS)


def _fits(conversions: Sequence[Conversion], bits: int) -> bool:
    return all(
        one.largest.within(bits)
        and max(one.table[:, Stage.DROPPED].max(), one.table[:, Stage.LEFT].max()) <= _LAST_SHIFT[bits]
        for one in conversions
    )


def _range_of(numbers: list[int]) -> Range:
    array = np.array([0, *numbers], object)
    return Range(array, array)
