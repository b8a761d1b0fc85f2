"""Deposits of a crossing's interactions → tower energies in hardware units, compiled."""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from typing import Final

from numba import njit

from triggers.events.simulation.geometry import COLUMNS, FIRST_CENTRAL_ROW, LAST_CENTRAL_ROW, ROWS
from triggers.events.simulation.response_kernel import ENERGY_STEP, LATE_TOWER, OPTIONS
from triggers.events.synthetic_random import uniform

_NEAR_ROWS: Final = (36, 44)
"""Rows with |eta| < 0.35, whose towers tell the pile-up."""
_BARREL_ROWS: Final = 17
_EDGE_ROWS: Final = 26
"""Rows from the middle to |eta| 1.5 and to 2.5."""


@njit(**OPTIONS)
def add_interaction(event, turn, mirrored, offsets, tower, em, had, energy):
    """Add one pooled interaction, turned by whole towers and perhaps mirrored; returns its late energy in steps.

    Takes:
        event: of the pool.
        turn: 0 to 71 towers in phi.
        mirrored: whether eta changes sign.
        offsets, tower, em, had: as in `responses.Deposits`.
        energy: `(3, 80, 72) float32`, em, had and late energy in `ENERGY_STEP`.
    """
    late = 0
    for i in range(offsets[event], offsets[event + 1]):
        where = int(tower[i])
        is_late = where >= LATE_TOWER
        if is_late:
            where -= LATE_TOWER
        row = where // COLUMNS
        column = where - row * COLUMNS + turn
        if column >= COLUMNS:
            column -= COLUMNS
        if mirrored:
            row = ROWS - 1 - row
        energy[0, row, column] += em[i]
        energy[1, row, column] += had[i]
        if is_late:
            energy[2, row, column] += had[i]
            late += int(had[i])
    return late


@njit(**OPTIONS)
def digitise(energy, p, stream, em, had, total):
    """Noise, calibration, zero suppression and rounding of all towers; returns how many near eta 0 have energy.

    Takes:
        energy: `(3, 80, 72) float32`; set to zero.
        p: the numbers of `level1.TowerNumbers` as a record.
        stream: of random numbers.
        em, had, total: `(80, 72) int32`, hardware units.
    """
    em_step = p.em_scale * ENERGY_STEP
    had_step = p.had_scale * ENERGY_STEP
    forward_step = p.forward_scale * ENERGY_STEP
    to_hw = 1.0 / p.lsb_gev
    top = int(p.saturation_hw)
    near = 0
    for row in range(ROWS):
        if row < FIRST_CENTRAL_ROW or row > LAST_CENTRAL_ROW:
            for column in range(0, COLUMNS, 2):
                pair = (energy[1, row, column] + energy[1, row, column + 1]) * forward_step
                value = int(pair * to_hw * 0.5) if pair >= 2.0 * p.forward_least_gev else 0
                value = min(value, top)
                for c in range(column, column + 2):
                    em[row, c] = 0
                    had[row, c] = value
                    total[row, c] = value
                    energy[1, row, c] = 0.0
            continue
        size = row - 40 if row >= 40 else 39 - row
        em_least = p.em_least_gev + p.em_least_rise_gev * size
        had_least = p.had_least_gev + p.had_least_rise_gev * size
        if size >= _EDGE_ROWS:
            em_least, had_least = p.em_least_edge_gev, p.had_least_edge_gev
        for column in range(COLUMNS):
            e, h = energy[0, row, column], energy[1, row, column]
            if e + h <= 0.0:
                em[row, column] = 0
                had[row, column] = 0
                total[row, column] = 0
                continue
            noise = 3.46 * (uniform(stream) - 0.5)
            e_gev = e * em_step + noise * p.em_noise_gev
            h_gev = h * had_step + 3.46 * (uniform(stream) - 0.5) * p.had_noise_gev
            e_hw = min(int(e_gev * to_hw), top) if e_gev >= em_least else 0
            h_hw = min(int(h_gev * to_hw), top) if h_gev >= had_least else 0
            em[row, column] = e_hw
            had[row, column] = h_hw
            both = min(e_hw + h_hw, top)
            total[row, column] = both
            energy[0, row, column] = 0.0
            energy[1, row, column] = 0.0
            if both > 0 and _NEAR_ROWS[0] <= row < _NEAR_ROWS[1]:
                near += 1
    return near


@njit(**OPTIONS)
def add_anomaly(p, stream, energy):
    """Energy that no particle left: a spike in one tower of the ECAL barrel, or noise of HCAL photodetectors."""
    column = min(int(uniform(stream) * COLUMNS), COLUMNS - 1)
    if uniform(stream) * (p.anomaly_chance + p.spike_chance) < p.spike_chance:
        gev = p.spike_gev * uniform(stream) ** (-1.0 / p.spike_power)
        row = ROWS // 2 - _BARREL_ROWS + min(int(uniform(stream) * 2 * _BARREL_ROWS), 2 * _BARREL_ROWS - 1)
        energy[0, row, column] += gev / ENERGY_STEP / p.em_scale
        return
    gev = p.anomaly_gev * uniform(stream) ** (-1.0 / p.anomaly_power)
    rows = LAST_CENTRAL_ROW + 1 - FIRST_CENTRAL_ROW
    row = FIRST_CENTRAL_ROW + min(int(uniform(stream) * rows), rows - 1)
    # A photodetector reads neighbouring towers: the energy is rarely in one alone.
    core = 0.5 + 0.4 * uniform(stream)
    steps = gev / ENERGY_STEP / p.had_scale
    energy[1, row, column] += steps * core
    energy[1, row, (column + 1) % COLUMNS] += steps * (1.0 - core)
