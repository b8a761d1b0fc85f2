"""Energy sums of a synthetic crossing from its jets, its total energy and its hard interactions (compiled)."""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit

from triggers.events import schema
from triggers.events.synthetic_random import NUMBA_OPTIONS, advance, output
from triggers.events.synthetic_tables import PHI_BINS

_W = np.uint32
_U = np.uint64
_F = np.float32
_PHI_PER_RADIAN: Final = PHI_BINS / (2 * math.pi)
_MAX_SUM: Final = 4095
_MAX_TOWERS: Final = 8191
_MAX_ASYMMETRY: Final = 255
_MAX_MBT: Final = 15
_HT_MIN_JET_HW: Final = 60
_HT_MAX_ETA_HW: Final = 57
_CENTRALITY_PP: Final = 1
"""Centrality bits of nearly all proton crossings: CENT4."""
_N_CALO: Final = schema.N_CALO_OBJECTS
_N_SUMS: Final = schema.N_SUMS


@njit(**NUMBA_OPTIONS)
def _phi_bin(x, y):
    return int(math.atan2(y, x) * _PHI_PER_RADIAN + PHI_BINS) % PHI_BINS


@njit(**NUMBA_OPTIONS)
def _capped(value, greatest):
    return value if value < greatest else greatest


@njit(**NUMBA_OPTIONS)
def _vector_word(size, phi, asymmetry, top):
    size_hw, asymmetry_hw = _capped(int(size + 0.5), _MAX_SUM), _capped(int(asymmetry), _MAX_ASYMMETRY)
    return _W(size_hw | (phi << 12) | (asymmetry_hw << 20) | (top << 28))


@njit(inline="always", **NUMBA_OPTIONS)
def fill_sums(sums, jet, row, state, interactions, soft_ett, hard_sum, tables):
    """Write the sums of one crossing: a row of the columns `sums` and `jet`.

    `state` is that of its stream, `soft_ett` its total energy without hard interactions, `hard_sum` x and y of the
    missing energy and the total energy of those, in hardware units of 0.5 GeV.
    """
    htt, all_htt = np.int64(0), np.int64(0)
    x = y = all_x = all_y = _F(0.0)
    for slot in range(_N_CALO):
        word = jet[row, slot]
        et = np.int64(word & _W(0x7FF))
        if et < _HT_MIN_JET_HW:
            break
        phi = np.int64((word >> _W(19)) & _W(0xFF))
        eta = np.int64((word >> _W(11)) & _W(0xFF))
        along, across = _F(et) * tables.cos[phi], _F(et) * tables.sin[phi]
        all_htt += et
        all_x -= along
        all_y -= across
        if eta < _HT_MAX_ETA_HW or eta >= 256 - _HT_MAX_ETA_HW:
            htt += et
            x -= along
            y -= across
    htm = all_htm = 0.0
    htm_phi = all_htm_phi = 0
    if htt:
        htm, htm_phi = math.sqrt(x * x + y * y), _phi_bin(x, y)
    if all_htt:
        all_htm, all_htm_phi = math.sqrt(all_x * all_x + all_y * all_y), _phi_bin(all_x, all_y)

    state = advance(state)
    word = output(state)
    ett = soft_ett + _F(hard_sum[2])
    etm = _F(tables.etm_resolution) * np.sqrt(soft_ett) * tables.rayleigh[word >> _U(52)]
    etm_phi = np.int64((((word >> _U(36)) & _U(0xFFFF)) * _U(PHI_BINS)) >> _U(16))
    if hard_sum[0] != 0.0 or hard_sum[1] != 0.0:
        etm_x, etm_y = hard_sum[0] + etm * tables.cos[etm_phi], hard_sum[1] + etm * tables.sin[etm_phi]
        etm, etm_phi = _F(math.sqrt(etm_x * etm_x + etm_y * etm_y)), _phi_bin(etm_x, etm_y)
    # the forward calorimeter changes missing energy little: its size by up to 10 %, its direction by up to two bins
    etm_hf = etm * (_F(0.9) + _F(0.02) * _F((word >> _U(33)) & _U(7)))
    etm_hf_phi = (etm_phi + np.int64((word >> _U(31)) & _U(3)) + PHI_BINS - 1) % PHI_BINS
    em = ett * _F(tables.em_fraction) * (_F(0.875) + _F((word >> _U(25)) & _U(63)) * _F(1 / 256))
    towers = ett * _F(tables.towers_per_ett) * (_F(0.875) + _F((word >> _U(19)) & _U(63)) * _F(1 / 256))
    hits = np.int64(interactions * tables.mbt_per_interaction)
    plus = _capped(hits + np.int64((word >> _U(17)) & _U(3)), _MAX_MBT) if interactions else 0
    minus = _capped(hits + np.int64((word >> _U(15)) & _U(3)), _MAX_MBT) if interactions else 0
    # asymmetry: how much of a scalar sum is missing on one side, 255 for all
    per_ett = _F(_MAX_ASYMMETRY) / (ett + _F(1.0))
    per_htt, per_all_htt = _F(_MAX_ASYMMETRY) / _F(htt + 1), _F(_MAX_ASYMMETRY) / _F(all_htt + 1)

    sums[row, 0] = _W(_capped(int(ett), _MAX_SUM) | (_capped(int(em), _MAX_SUM) << 12) | (plus << 28))
    sums[row, 1] = _W(_capped(htt, _MAX_SUM) | (_capped(int(towers), _MAX_TOWERS) << 12) | (minus << 28))
    sums[row, 2] = _vector_word(etm, etm_phi, etm * per_ett, 0)
    sums[row, 3] = _vector_word(htm, htm_phi, htm * per_htt, 0)
    sums[row, 4] = _vector_word(etm_hf, etm_hf_phi, etm_hf * per_ett, 0)
    sums[row, 5] = _vector_word(all_htm, all_htm_phi, all_htm * per_all_htt, _CENTRALITY_PP)
    for slot in range(6, _N_SUMS):
        sums[row, slot] = 0
