"""Hard interactions and muons of the synthetic source: what one of them adds to a crossing (compiled).

A dijet event has up to four jets, with tau, EG and muon candidates in their directions, and missing energy along the
jets; an electron event has one EG, mostly unbalanced as in W → eν; a muon event one to three muons, often in a jet. A
soft muon stands for decays in flight and heavy quarks. Energies are in hardware units of 0.5 GeV.
"""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import math
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from triggers.events.synthetic_random import NUMBA_OPTIONS, advance, output, uniform
from triggers.events.synthetic_spectra import HARD_JET_DISPLACED
from triggers.events.synthetic_tables import PHI_BINS

_U = np.uint64
_W = np.uint32
_ET_MASK: Final = np.uint32(0x1FF)
_JET_ET_MASK: Final = np.uint32(0x7FF)
_MUON_PT_MASK: Final = np.uint64(0x1FF << 10)
_MAX_ET: Final = 511
_MAX_JET_ET: Final = 2047
_MAX_SCALE_HW: Final = 8000.0
_MIN_JET_HW: Final = 8.0
_MIN_EG_HW: Final = 5.0
_MAX_EG_ETA: Final = 62
_MAX_TAU_ETA: Final = 53
_ENDCAP_ETA: Final = 49
_HALF_TURN: Final = PHI_BINS // 2
_MUON_PHI_BINS: Final = 576
_MAX_MUON_ETA: Final = 225
_BARREL_MUON_ETA: Final = 76
_OVERLAP_MUON_ETA: Final = 114
_DISPLACED: Final = np.uint32(1 << 27)
_TIGHT: Final = np.uint32(1 << 25)
_LOOSE: Final = np.uint32(2 << 25)


class HardKind(IntEnum):
    """What a hard interaction is; its chance is that column of `hard_chance`."""

    DIJET = 0
    ELECTRON = 1
    MUON = 2
    SOFT_MUON = 3


_DIJET, _ELECTRON = int(HardKind.DIJET), int(HardKind.ELECTRON)


class Objects(NamedTuple):
    """The object columns of a batch that is being filled."""

    muon: NDArray[np.uint64]
    eg: NDArray[np.uint32]
    tau: NDArray[np.uint32]
    jet: NDArray[np.uint32]


@njit(**NUMBA_OPTIONS)
def _insert(words, row, word, energy_mask):
    """Keep the row sorted by falling energy; the least energetic object drops out of a full row."""
    slot = words.shape[1] - 1
    if words[row, slot] & energy_mask >= word & energy_mask:
        return
    while slot > 0 and words[row, slot - 1] & energy_mask < word & energy_mask:
        words[row, slot] = words[row, slot - 1]
        slot -= 1
    words[row, slot] = word


@njit(**NUMBA_OPTIONS)
def _calo_word(et_hw, eta_hw, phi_hw):
    """An EG or tau word without isolation."""
    et = min(max(int(et_hw), 1), _MAX_ET)
    return _W(et | ((eta_hw & 0xFF) << 9) | ((phi_hw % PHI_BINS) << 17))


@njit(**NUMBA_OPTIONS)
def _insert_jet(jet, row, stream, et_hw, eta_hw, phi_hw):
    et = min(max(int(et_hw), 1), _MAX_JET_ET)
    word = _W(et | ((eta_hw & 0xFF) << 11) | ((phi_hw % PHI_BINS) << 19))
    if uniform(stream) < HARD_JET_DISPLACED:
        word |= _DISPLACED
    _insert(jet, row, word, _JET_ET_MASK)


@njit(**NUMBA_OPTIONS)
def _add_eg(eg, row, stream, tables, et_hw, eta_hw, phi_hw, isolation):
    """An EG, if it is within the EG trigger's range; `isolation` scales its chance to be isolated."""
    if abs(eta_hw) > _MAX_EG_ETA:
        return
    word = _calo_word(et_hw, eta_hw, phi_hw)
    draw, et = 256.0 * uniform(stream) / isolation, word & _ET_MASK
    if draw <= tables.loose[0, et]:
        word |= _LOOSE
    if draw <= tables.tight[0, et]:
        word |= _TIGHT
    _insert(eg, row, word, _ET_MASK)


@njit(**NUMBA_OPTIONS)
def _add_tau(tau, row, stream, tables, et_hw, eta_hw, phi_hw, isolation):
    """A tau, if it is within the tau trigger's range; `isolation` scales its chance to be isolated."""
    if abs(eta_hw) > _MAX_TAU_ETA:
        return
    word = _calo_word(et_hw, eta_hw, phi_hw)
    if 256.0 * uniform(stream) / isolation <= tables.tight[1, word & _ET_MASK]:
        word |= _TIGHT
    _insert(tau, row, word, _ET_MASK)


@njit(**NUMBA_OPTIONS)
def _add_muon(muon, row, stream, tables, pt_hw, eta_hw, phi_hw):
    """A muon near the given direction in muon units (eta 0.010875, phi 2π/576), if it is within the muon system."""
    eta = int(eta_hw + 16.0 * (uniform(stream) - 0.5))
    phi = int(phi_hw + 16.0 * (uniform(stream) - 0.5) + _MUON_PHI_BINS) % _MUON_PHI_BINS
    if abs(eta) > _MAX_MUON_ETA:
        return
    pt = min(max(int(pt_hw), 1), 511)
    stream[0] = advance(stream[0])
    word = output(stream[0])
    negative = np.int64(word & _U(1))
    bend = min(60, 240 // pt)
    phi_raw = (phi + (bend if negative else _MUON_PHI_BINS - bend)) % _MUON_PHI_BINS
    # three muons a sector: 12 sectors in the barrel, 6 a side in the overlap and in the endcap
    number = np.int64((((word >> _U(8)) & _U(0xFF)) * _U(3)) >> _U(8))
    if abs(eta) < _BARREL_MUON_ETA:
        number += 36 + 3 * (phi // 48)
    elif abs(eta) < _OVERLAP_MUON_ETA:
        number += (18 if eta > 0 else 72) + 3 * (phi // 96)
    else:
        number += (0 if eta > 0 else 90) + 3 * (phi // 96)
    quality = np.int64(tables.muon_quality[(word >> _U(16)) & _U(0xFF)])
    impact_parameter = np.int64(tables.muon_impact_parameter[(word >> _U(24)) & _U(0xFF)])
    # the measurement without the vertex: none for one in seven, otherwise 0.27 to 0.7 GeV per 0.5 GeV of pt
    ratio = np.int64((word >> _U(32)) & _U(0xFF))
    unconstrained = 1 + ((pt * (ratio + 100)) >> 9)
    if ratio < 38 or unconstrained > 255:
        unconstrained = np.int64(0 if ratio < 38 else 255)
    low = phi | (pt << 10) | (quality << 19) | ((eta & 0x1FF) << 23)
    high = 3 | (negative << 2) | (1 << 3) | (number << 4) | (phi_raw << 11) | (unconstrained << 21)
    _insert(muon, row, _U(low) | (_U(high) << _U(32)) | (_U(impact_parameter) << _U(62)), _MUON_PT_MASK)


@njit(**NUMBA_OPTIONS)
def _exponential(stream, mean):
    return -mean * math.log(uniform(stream))


@njit(**NUMBA_OPTIONS)
def _scale(stream, least, power):
    """A number from a power law above `least`."""
    return min(least * uniform(stream) ** (-1.0 / power), _MAX_SCALE_HW)


@njit(**NUMBA_OPTIONS)
def _eta(stream, tables):
    return int(tables.hard_eta[int(256.0 * uniform(stream)) % 256])


@njit(**NUMBA_OPTIONS)
def _phi(stream):
    return int(PHI_BINS * uniform(stream)) % PHI_BINS


@njit(**NUMBA_OPTIONS)
def _about(stream, phi, width):
    """A direction near `phi`, at most half of `width` away."""
    return phi + int(width * (uniform(stream) - 0.5))


@njit(**NUMBA_OPTIONS)
def _add_missing(hard_sum, tables, et_hw, phi_hw):
    hard_sum[0] += et_hw * tables.cos[phi_hw % PHI_BINS]
    hard_sum[1] += et_hw * tables.sin[phi_hw % PHI_BINS]


@njit(**NUMBA_OPTIONS)
def _add_jet(objects, row, stream, tables, hard_sum, et_hw, eta_hw, phi_hw, tau_chance):
    """A jet, and with some probability the tau, EG and muon candidates that it gives in its direction."""
    _insert_jet(objects.jet, row, stream, et_hw, eta_hw, phi_hw)
    hard_sum[2] += et_hw
    if uniform(stream) < tau_chance:
        fraction = tables.tau_fraction_min + (tables.tau_fraction_max - tables.tau_fraction_min) * uniform(stream)
        _add_tau(objects.tau, row, stream, tables, et_hw * fraction, eta_hw, phi_hw, tables.tau_of_jet_isolation)
    if uniform(stream) < tables.eg_of_jet:
        eg_hw = et_hw * tables.eg_fraction_max * uniform(stream) ** tables.eg_fraction_power
        if eg_hw > _MIN_EG_HW:
            _add_eg(objects.eg, row, stream, tables, eg_hw, eta_hw, phi_hw, tables.eg_of_jet_isolation)
    if uniform(stream) < tables.muon_of_jet_per_hw * et_hw:
        _add_missing(hard_sum, tables, tables.neutrino_fraction * et_hw, phi_hw)
        pt_hw = 6.0 + _exponential(stream, tables.muon_of_jet_mean_hw)
        _add_muon(objects.muon, row, stream, tables, pt_hw, 4.0 * eta_hw + 2.0, 4.0 * phi_hw + 2.0)


@njit(**NUMBA_OPTIONS)
def _add_dijet(objects, row, stream, tables, hard_sum):
    """Two to four jets of falling energy; the second may be lost, which leaves missing energy and a tau."""
    et = _scale(stream, tables.dijet_min_hw, tables.dijet_power)
    phi = _phi(stream)
    lost = uniform(stream) < tables.lost_jet_per_hw * et
    first_tau = 1.0 if lost else tables.tau_of_jet
    _add_jet(objects, row, stream, tables, hard_sum, et, _eta(stream, tables), phi, first_tau)
    _add_missing(hard_sum, tables, tables.jet_resolution * et * (2.0 * uniform(stream) - 1.0), phi)
    number = 2
    if uniform(stream) < tables.third_jet:
        number = 4 if uniform(stream) < tables.fourth_jet else 3
    for jet in range(1, number):
        least = tables.second_jet_fraction_min if jet == 1 else tables.later_jet_fraction_min
        et *= least + (1.0 - least) * uniform(stream)
        turn = _HALF_TURN if jet == 1 else _HALF_TURN // 2 if jet == 2 else 3 * _HALF_TURN // 2
        toward = _about(stream, phi + turn, 12.0)
        seen = et
        if lost and jet == 1:
            seen *= 0.3 * uniform(stream)
            _add_missing(hard_sum, tables, et - seen, toward)
        if seen > _MIN_JET_HW:
            _add_jet(objects, row, stream, tables, hard_sum, seen, _eta(stream, tables), toward, tables.tau_of_jet)


@njit(**NUMBA_OPTIONS)
def _add_electron(objects, row, stream, tables, hard_sum):
    """An EG with the jet and tau candidates that it gives, against missing energy or a jet."""
    et = _scale(stream, tables.electron_min_hw, tables.electron_power)
    eta, phi = _eta(stream, tables), _phi(stream)
    if uniform(stream) < tables.electron_endcap:
        eta = (1 if eta > 0 else -1) * (_ENDCAP_ETA + int(8.0 * uniform(stream)) % 8)
    _add_eg(objects.eg, row, stream, tables, et, eta, phi, 1.0)
    _insert_jet(objects.jet, row, stream, 1.1 * et, eta, phi)
    hard_sum[2] += et
    if uniform(stream) < tables.tau_of_electron:
        _add_tau(objects.tau, row, stream, tables, et * (0.8 + 0.3 * uniform(stream)), eta, phi, 1.0)
    recoil = et * (0.4 + 0.6 * uniform(stream))
    recoil_eta, toward = _eta(stream, tables), _about(stream, phi + _HALF_TURN, 16.0)
    if uniform(stream) < tables.electron_unbalanced:
        _add_missing(hard_sum, tables, recoil, toward)
    else:
        _add_jet(objects, row, stream, tables, hard_sum, recoil, recoil_eta, toward, tables.tau_of_jet)
    if uniform(stream) < tables.second_electron:
        second = et * uniform(stream)
        _add_eg(objects.eg, row, stream, tables, second, recoil_eta, toward, tables.eg_of_jet_isolation)
    if uniform(stream) < tables.muon_of_electron:
        pt_hw = 6.0 + _exponential(stream, 1.6 * tables.muon_of_jet_mean_hw)
        _add_muon(objects.muon, row, stream, tables, pt_hw, 4.0 * recoil_eta, 4.0 * toward)


@njit(**NUMBA_OPTIONS)
def _add_muons(objects, row, stream, tables, hard_sum):
    """A muon, often in a jet, and sometimes one or two of lower momentum around it."""
    pt = _scale(stream, tables.muon_min_hw, tables.muon_power)
    eta, phi = _eta(stream, tables), _phi(stream)
    if uniform(stream) < tables.jet_of_muon:
        least = tables.jet_of_muon_hw
        et = least + 0.6 * min(pt, 200.0) * uniform(stream) + _exponential(stream, least)
        _add_jet(objects, row, stream, tables, hard_sum, et, eta, phi, tables.tau_of_jet)
    _add_muon(objects.muon, row, stream, tables, pt, 4.0 * eta + 2.0, 4.0 * phi + 2.0)
    chance = tables.second_muon
    for _ in range(2):
        if uniform(stream) >= chance:
            return
        chance = tables.third_muon
        spread = 60.0 if uniform(stream) < 0.5 else 300.0
        pt *= 0.2 + 0.8 * uniform(stream) ** 2
        near_eta, near_phi = 4.0 * eta + spread * (uniform(stream) - 0.5), 4.0 * phi + spread * (uniform(stream) - 0.5)
        _add_muon(objects.muon, row, stream, tables, pt, near_eta, near_phi)


@njit(**NUMBA_OPTIONS)
def add_soft_muon(muon, row, stream, tables):
    """A muon of low momentum anywhere in the muon system, rarely with a second one."""
    eta = _MAX_MUON_ETA * (2.0 * uniform(stream) - 1.0)
    phi = _MUON_PHI_BINS * uniform(stream)
    pt_hw = tables.soft_muon_min_hw + _exponential(stream, tables.soft_muon_slope_hw)
    _add_muon(muon, row, stream, tables, pt_hw, eta, phi)
    if uniform(stream) < tables.soft_second_muon:
        pt_hw = tables.soft_muon_min_hw + _exponential(stream, 1.5 * tables.soft_muon_slope_hw)
        near_eta, near_phi = eta + 200.0 * (uniform(stream) - 0.5), phi + 200.0 * (uniform(stream) - 0.5)
        _add_muon(muon, row, stream, tables, pt_hw, near_eta, near_phi)


@njit(**NUMBA_OPTIONS)
def add_hard(kind, objects, row, stream, tables, hard_sum):
    """Add an interaction of a `HardKind` other than the soft muon; its energies are added to `hard_sum`.

    `hard_sum` holds x and y of the missing energy, and the total energy.
    """
    if kind == _DIJET:
        _add_dijet(objects, row, stream, tables, hard_sum)
    elif kind == _ELECTRON:
        _add_electron(objects, row, stream, tables, hard_sum)
    else:
        _add_muons(objects, row, stream, tables, hard_sum)
