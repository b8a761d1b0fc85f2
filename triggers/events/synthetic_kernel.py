"""The compiled loop of the synthetic source: crossings from tables into packed words.

Pile-up objects of one type have an exponential spectrum, so n of them in order are sums of independent exponential
gaps: from rank n upwards, the k-th highest lies on average slope / k above the next lower one (Rényi, 1953). They come
sorted, and cost one random word each.

Numba's cache of `fill` does not see an edit of what it calls in another file: after one, delete `__pycache__`.
"""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from triggers.events import schema
from triggers.events.synthetic_hard import HardKind, Objects, add_hard, add_soft_muon
from triggers.events.synthetic_random import NUMBA_OPTIONS, advance, output, stream_of
from triggers.events.synthetic_sums import fill_sums
from triggers.events.synthetic_tables import CHANCE_BITS, COUNT_BITS, PHI_BINS, QUANTILE_BITS, SPREAD_BITS

SLOT_SPACING: Final = 3
"""Slots of 25 ns from one crossing to the next: no crossing is another's neighbour."""
CROSSINGS_PER_ORBIT: Final = schema.SLOTS_PER_ORBIT // SLOT_SPACING
FIRST_ORBIT: Final = 1
BEAMS_PRESENT: Final = np.uint64(0b1111 << 4)
"""Channels 4 to 7 (both beams, first, second, either), which colliding bunches set (CMS menus of 2023 to 2025)."""

_EG, _TAU, _JET = 0, 1, 2
_SOFT_MUON: Final = int(HardKind.SOFT_MUON)
_N_KINDS: Final = len(HardKind)
_N_CALO: Final = schema.N_CALO_OBJECTS
_N_MUONS: Final = schema.N_MUONS
_N_EXTERNAL: Final = schema.N_EXTERNAL_WORDS
_EG_PHI, _JET_PHI = np.uint64(17), np.uint64(19)
_ISOLATED, _NO_FLAG = np.uint64(1), np.uint64(0)
_U = np.uint64
_W = np.uint32


@njit(inline="always", **NUMBA_OPTIONS)
def _add_soft(words, row, state, n, tables, kind, phi_shift, flag):
    """Write the up to 12 highest of `n` pile-up objects of one type; return the state of the stream."""
    for slot in range(_N_CALO):
        words[row, slot] = 0
    energy = tables.least_hw[kind, n]
    for rank in range(min(n, _U(_N_CALO)), _U(0), -1):
        state = advance(state)
        word = output(state)
        energy += tables.exponential[word >> _U(64 - QUANTILE_BITS)] * tables.gap_hw[kind, rank]
        et = _U(np.int64(energy))
        phi = ((((word >> _U(9)) & _U(0x7FFF)) * _U(PHI_BINS)) >> _U(15)) << phi_shift
        # both isolation bits of an EG and one of a tau, without a branch: the difference is negative for a part of all
        isolation = _NO_FLAG
        if flag:
            isolation = ((((word >> _U(24)) & _U(0xFF)) - _U(tables.tight[kind, et])) >> _U(63)) * flag
        words[row, rank - _U(1)] = _W(et | _U(tables.eta[kind, word & _U(0xFF)]) | phi | isolation)
    return state


@njit(**NUMBA_OPTIONS)
def fill(
    first, key, tables, stream, hard_sum,
    run, lumi_section, orbit, bx, event, muon, eg, tau, jet, sums, external, pileup,
):  # fmt: skip
    """Write crossings `first`, `first + 1`, … into all rows of the columns.

    `key` is the hash of the seed, `tables` comes from `synthetic_tables.tables`; `stream`, `(1,) uint64`, and
    `hard_sum`, `(3,) float64`, are scratch; then come columns of the event format, C-contiguous, of equal length.
    """
    objects = Objects(muon, eg, tau, jet)
    for row in range(len(run)):
        index = first + row
        run[row] = 1
        lumi_section[row] = 1
        orbit[row] = FIRST_ORBIT + index // CROSSINGS_PER_ORBIT
        bx[row] = SLOT_SPACING * (index % CROSSINGS_PER_ORBIT)
        event[row] = index
        external[row, 0] = BEAMS_PRESENT
        for word in range(1, _N_EXTERNAL):
            external[row, word] = 0
        for slot in range(_N_MUONS):
            muon[row, slot] = 0

        state = advance(stream_of(key, _U(index)))
        draw = output(state)
        interactions = tables.interactions[draw & _U((1 << QUANTILE_BITS) - 1)]
        pileup[row] = interactions
        ett = tables.ett[interactions] * tables.ett_factor[draw >> _U(64 - SPREAD_BITS)]
        count = _U((1 << COUNT_BITS) - 1)
        n_eg = _U(tables.count[_EG, interactions, (draw >> _U(QUANTILE_BITS)) & count])
        n_tau = _U(tables.count[_TAU, interactions, (draw >> _U(QUANTILE_BITS + COUNT_BITS)) & count])
        n_jet = _U(tables.count[_JET, interactions, (draw >> _U(QUANTILE_BITS + 2 * COUNT_BITS)) & count])
        state = _add_soft(eg, row, state, n_eg, tables, _EG, _EG_PHI, _U(3 << 25))
        state = _add_soft(tau, row, state, n_tau, tables, _TAU, _EG_PHI, _U(1 << 25))
        state = _add_soft(jet, row, state, n_jet, tables, _JET, _JET_PHI, _NO_FLAG)

        hard_sum[0] = hard_sum[1] = hard_sum[2] = 0.0
        state = advance(state)
        chances = output(state)
        for kind in range(_N_KINDS):
            chance = (chances >> _U(CHANCE_BITS * kind)) & _U((1 << CHANCE_BITS) - 1)
            if chance < tables.hard_chance[interactions, kind]:
                stream[0] = state
                if kind == _SOFT_MUON:
                    add_soft_muon(muon, row, stream, tables)
                else:
                    add_hard(kind, objects, row, stream, tables, hard_sum)
                state = stream[0]
        fill_sums(sums, jet, row, state, interactions, ett, hard_sum, tables)
