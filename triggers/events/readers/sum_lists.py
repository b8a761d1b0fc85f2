"""Lists of energy sums with a type each become the words of the sums column (`docs/formats.md`, "L1 ntuples")."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triggers.errors import BadValue
from triggers.events import packing
from triggers.events.readers.object_lists import ObjectLists, Where
from triggers.events.schema import N_SUMS


class SumType(IntEnum):
    """The codes of CMSSW's `l1t::EtSum::EtSumType` that the link to the global trigger carries."""

    TOTAL_ET = 0
    TOTAL_HT = 1
    MISSING_ET = 2
    MISSING_HT = 3
    MISSING_ET_HF = 8
    MIN_BIAS_HFP0 = 11
    MIN_BIAS_HFM0 = 12
    MIN_BIAS_HFP1 = 13
    MIN_BIAS_HFM1 = 14
    TOTAL_ET_EM = 16
    MISSING_HT_HF = 20
    TOWER_COUNT = 21
    CENTRALITY = 22
    ASYM_ET = 23
    ASYM_HT = 24
    ASYM_ET_HF = 25
    ASYM_HT_HF = 26
    ZDCP = 27
    ZDCM = 28


QUANTITIES: Final = {
    SumType.TOTAL_ET: "ett",
    SumType.TOTAL_HT: "htt",
    SumType.MISSING_ET: "etm",
    SumType.MISSING_HT: "htm",
    SumType.MISSING_ET_HF: "etmhf",
    SumType.MIN_BIAS_HFP0: "mbt0hfp",
    SumType.MIN_BIAS_HFM0: "mbt0hfm",
    SumType.MIN_BIAS_HFP1: "mbt1hfp",
    SumType.MIN_BIAS_HFM1: "mbt1hfm",
    SumType.TOTAL_ET_EM: "ettem",
    SumType.MISSING_HT_HF: "htmhf",
    SumType.TOWER_COUNT: "towercount",
    SumType.ASYM_ET: "asymet",
    SumType.ASYM_HT: "asymht",
    SumType.ASYM_ET_HF: "asymethf",
    SumType.ASYM_HT_HF: "asymhthf",
    SumType.ZDCP: "zdcp",
    SumType.ZDCM: "zdcm",
}
"""The quantity of the sums column behind each type; centrality is two of them."""

WITH_PHI: Final = ("etm", "htm", "etmhf", "htmhf")
_CENTRALITY_BITS: Final = 4


def packed_sums(lists: ObjectLists, where: Where) -> NDArray[np.uint32]:
    """The sums column, `(n, 12) uint32`, of lists with the fields `type`, `et` and `phi` in hardware integers.

    Types that the link does not carry are left out; energies and counts saturate.

    Raises:
        BadValue: a crossing has two sums of one type, or a value that its field cannot hold.
    """
    words = np.zeros((len(lists.counts), N_SUMS), np.uint32)
    rows, types = lists.rows(), lists.fields["type"]
    for type_, name in QUANTITIES.items():
        chosen = types == type_
        _check_single(rows[chosen], type_, where)
        _put(words, rows[chosen], name, lists.fields["et"][chosen], where)
        if name in WITH_PHI:
            _put(words, rows[chosen], f"{name}_phi", lists.fields["phi"][chosen], where)
    chosen = types == SumType.CENTRALITY
    bits = lists.fields["et"][chosen].astype(np.int64)
    _put(words, rows[chosen], "centrality_low", bits & ((1 << _CENTRALITY_BITS) - 1), where)
    _put(words, rows[chosen], "centrality_high", bits >> _CENTRALITY_BITS, where)
    return words


def put_quantity(words: NDArray[np.uint32], name: str, values: NDArray[np.integer], where: Where) -> None:
    """Puts one quantity of all rows into the sums column; energies and counts saturate.

    Raises:
        BadValue: a value is negative, or an angle that does not exist.
    """
    _put(words, np.arange(len(words)), name, values, where)


def _put(
    words: NDArray[np.uint32], rows: NDArray[np.int64], name: str, values: NDArray[np.integer], where: Where
) -> None:
    word, field = packing.SUMS[name]
    low, high = field.allowed
    is_angle = name.endswith("_phi")
    if len(values) and (values.min() < low or (is_angle and values.max() > high)):
        bad = int(np.argmax((values < low) | (values > high)))
        what = f"the sum '{name}' is {values[bad]}, but the field holds {low} to {high}"
        raise BadValue(where.row(int(rows[bad])), what, "give hardware integers")
    words[rows, word] |= np.minimum(values, high).astype(np.uint32) << np.uint32(field.shift)


def _check_single(rows: NDArray[np.int64], type_: SumType, where: Where) -> None:
    twice = np.flatnonzero(rows[1:] == rows[:-1])
    if len(twice):
        what = f"has more than one sum of type {type_.value} ({QUANTITIES[type_]}) in one crossing"
        raise BadValue(where.row(int(rows[twice[0]])), what, "keep one of each type and crossing")
