"""Particles → energy in trigger towers, compiled; numbers in `detector.Response`."""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numba import njit

from triggers.events.simulation.geometry import COLUMNS, SIDE_EDGES, TOWER_STEP, TOWERS
from triggers.events.simulation.record import ETA_STEP, PHI_STEP
from triggers.events.simulation.species import LATE, Kind
from triggers.events.synthetic_random import stream_of, uniform

OPTIONS: Final[dict[str, Any]] = {"nogil": True, "cache": True, "error_model": "numpy"}

ENERGY_STEP: Final = 1 / 64
"""GeV, the unit of stored deposits."""
LATE_TOWER: Final = 1 << 13
"""Added to the tower of a deposit that came late."""
_MAX_STORED: Final = 65535
_EDGES: Final = SIDE_EDGES
_CENTRAL_ETA: Final = 3.0
_BARREL_ROWS: Final = 20
_SIDE_ROWS: Final = 40
_PHOTON, _ELECTRON, _PION, _NEUTRAL = (int(k) for k in (Kind.PHOTON, Kind.ELECTRON, Kind.PION, Kind.NEUTRAL_HADRON))
_LATE: Final = LATE
_TWO_PI: Final = 2 * math.pi
_LIGHT: Final = 0.2998
_HADRON_MASS_GEV: Final = 0.14


@njit(**OPTIONS)
def normal(stream):
    """The next number of a stream, normally distributed (Box and Muller)."""
    return math.sqrt(-2.0 * math.log(uniform(stream))) * math.cos(_TWO_PI * uniform(stream))


@njit(**OPTIONS)
def tower_of(eta, phi):
    """The tower in which a direction lies, or −1 beyond |eta| 5.191."""
    size = abs(eta)
    if size >= _EDGES[_SIDE_ROWS]:
        return -1
    row = int(size / TOWER_STEP)
    if row >= _BARREL_ROWS:
        row = _BARREL_ROWS
        while size >= _EDGES[row + 1]:
            row += 1
    row = _SIDE_ROWS + row if eta >= 0 else _SIDE_ROWS - 1 - row
    turn = phi / _TWO_PI
    return row * COLUMNS + min(int((turn - math.floor(turn)) * COLUMNS), COLUMNS - 1)


@njit(**OPTIONS)
def impact(pt, eta, phi, charge, p):
    """Where a particle from the beam hits the calorimeter's face: eta and phi."""
    if charge == 0 or pt > 50.0:
        return eta, phi - charge * _LIGHT * p.field_tesla * p.radius_m / (2.0 * max(pt, 1.0)) * (charge != 0)
    curl = pt / (_LIGHT * p.field_tesla)
    slope = math.sinh(eta)
    half_chord = p.radius_m / (2.0 * curl)
    if half_chord < 1.0:
        half_turn = math.asin(half_chord)
        z = slope * 2.0 * half_turn * curl
        if abs(z) < p.half_length_m:
            return math.asinh(z / p.radius_m), phi - charge * half_turn
    half_turn = p.half_length_m / (2.0 * curl * max(abs(slope), 1e-3))
    rho = max(2.0 * curl * abs(math.sin(half_turn)), 0.02)
    hit_eta = math.asinh(p.half_length_m / rho)
    return (hit_eta if eta >= 0 else -hit_eta), phi - charge * half_turn


@njit(**OPTIONS)
def deposit(pt, eta, phi, kind, late, p, stream, energy, touched, n_touched):
    """Add one particle's energy to `energy` (towers × [em, had], GeV); returns how many towers are touched."""
    size = abs(kind)
    charge = 0
    if size != _PHOTON and size != _NEUTRAL:
        charge = 1 if kind > 0 else -1
    if size == _ELECTRON:
        charge = 1 if kind > 0 else -1
    hit_eta, hit_phi = (eta, phi) if late else impact(pt, eta, phi, charge, p)
    total = pt * math.cosh(eta)
    is_em = size <= _ELECTRON
    if abs(hit_eta) >= _CENTRAL_ETA:
        stochastic = p.forward_em_stochastic if is_em else p.forward_hadron_stochastic
        width = math.sqrt(stochastic * stochastic / total + p.forward_constant * p.forward_constant)
        response = 1.0 if is_em else 1.0 - p.hadron_loss * total**-p.hadron_power
        seen = total * fluctuated(response, width, stream) / math.cosh(hit_eta)
        return add(hit_eta, hit_phi, 0.0, seen, late, energy, touched, n_touched)
    if is_em:
        width = math.sqrt(p.em_stochastic * p.em_stochastic / total + p.em_constant * p.em_constant)
        seen = total * fluctuated(1.0, width, stream) / math.cosh(hit_eta)
        hit_eta += p.em_spread * normal(stream)
        hit_phi += p.em_spread * normal(stream)
        if late:
            return add(hit_eta, hit_phi, 0.0, seen, late, energy, touched, n_touched)
        return add(hit_eta, hit_phi, seen, 0.0, late, energy, touched, n_touched)
    width = math.sqrt(p.hadron_stochastic * p.hadron_stochastic / total + p.hadron_constant * p.hadron_constant)
    response = max(1.0 - p.hadron_loss * total**-p.hadron_power, 0.1)
    seen = total * fluctuated(response, width * response, stream) / math.cosh(hit_eta)
    em = 0.0
    if late == 0:
        if uniform(stream) < p.mip_fraction:
            em = min(p.mip_gev / math.cosh(hit_eta) * (charge != 0), seen)
        else:
            em = seen * p.em_part_max * uniform(stream)
    n_touched = add(hit_eta, hit_phi, em, 0.0, late, energy, touched, n_touched)
    spread_eta = hit_eta + p.hadron_spread * normal(stream)
    spread_phi = hit_phi + p.hadron_spread * normal(stream)
    return add(spread_eta, spread_phi, 0.0, seen - em, late, energy, touched, n_touched)


@njit(**OPTIONS)
def fluctuated(mean, width, stream):
    """A positive response with that mean and width: normal, or exponential-like where the width is large."""
    if width < 0.3 * mean:
        return max(mean + width * normal(stream), 0.0)
    # A gamma-like distribution by its shape: sums of exponentials keep the mean and stay positive.
    shape = min(max(mean * mean / (width * width), 0.2), 12.0)
    whole = int(shape)
    total = 0.0
    for _ in range(whole):
        total -= math.log(uniform(stream))
    rest = shape - whole
    if uniform(stream) < rest:
        total -= math.log(uniform(stream))
    return mean * total / shape


@njit(**OPTIONS)
def add(eta, phi, em, had, late, energy, touched, n_touched):
    """Add energy to the tower of a direction; returns how many towers are touched."""
    tower = tower_of(eta, phi)
    if tower < 0 or em + had <= 0.0:
        return n_touched
    if late:
        tower += LATE_TOWER
    if energy[tower, 0] == 0.0 and energy[tower, 1] == 0.0:
        touched[n_touched] = tower
        n_touched += 1
    energy[tower, 0] += em
    energy[tower, 1] += had
    return n_touched


@njit(**OPTIONS)
def respond(key, offsets, pt, eta, phi, kind, p, out_offsets, out_tower, out_em, out_had):
    """The deposits of all interactions, each with a random stream of its own; returns how many deposits there are.

    Takes:
        key: of the random streams.
        offsets, pt, eta, phi, kind: as in `record.Interactions`.
        p: the numbers of `detector.Response` as a record.
        out_offsets: `(n + 1,) int64`, where each interaction's deposits begin.
        out_tower, out_em, out_had: towers (`LATE_TOWER` added) and energies in `ENERGY_STEP`, `uint16`; long enough.
    """
    energy = np.zeros((LATE_TOWER + TOWERS, 2))
    touched = np.zeros(LATE_TOWER + TOWERS, np.int64)
    stream = np.zeros(1, np.uint64)
    filled = 0
    out_offsets[0] = 0
    for event in range(len(offsets) - 1):
        stream[0] = stream_of(key, np.uint64(event))
        n = 0
        for i in range(offsets[event], offsets[event + 1]):
            code = int(kind[i])
            late = 1 if abs(code) > _LATE else 0
            if late:
                code = code - _LATE if code > 0 else code + _LATE
            n = deposit(float(pt[i]), eta[i] * ETA_STEP, phi[i] * PHI_STEP, code, late, p, stream, energy, touched, n)
        for j in range(n):
            tower = touched[j]
            em, had = energy[tower, 0], energy[tower, 1]
            energy[tower, 0] = 0.0
            energy[tower, 1] = 0.0
            if em + had < p.least_gev:
                continue
            out_tower[filled] = tower
            out_em[filled] = min(int(em / ENERGY_STEP + uniform(stream)), _MAX_STORED)
            out_had[filled] = min(int(had / ENERGY_STEP + uniform(stream)), _MAX_STORED)
            filled += 1
        out_offsets[event + 1] = filled
    return filled
