"""e/γ and tau candidates: clusters around local maxima, their identification and isolation, compiled."""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from typing import Final

from numba import njit

from triggers.events.simulation.geometry import COLUMNS, FIRST_CENTRAL_ROW, LAST_CENTRAL_ROW, MIDDLE
from triggers.events.simulation.jets_kernel import LOW_HW, block_sum, is_maximum, order
from triggers.events.simulation.response_kernel import OPTIONS

MAX_CLUSTERS: Final = 256
_ET_HW_MAX: Final = 511
_TIGHT, _LOOSE = 1, 2


@njit(**OPTIONS)
def side_sum(towers, row, column, least):
    """The energy of three towers of a row, those below `least` left out."""
    energy = 0
    for d_column in range(-1, 2):
        value = towers[row, (column + d_column + COLUMNS) % COLUMNS]
        if value >= least:
            energy += value
    return energy


@njit(**OPTIONS)
def compact_sum(towers, row, column, least):
    """The energy around a maximum: its row to two towers on either side, and the better of the rows beside it."""
    energy = towers[row, column]
    for step in (-1, 1):
        first = towers[row, (column + step + COLUMNS) % COLUMNS]
        if first >= least:
            energy += first
            second = towers[row, (column + 2 * step + COLUMNS) % COLUMNS]
            if second >= least:
                energy += second
    down = side_sum(towers, row - 1, column, least) if row > FIRST_CENTRAL_ROW else 0
    up = side_sum(towers, row + 1, column, least) if row < LAST_CENTRAL_ROW else 0
    return energy + max(down, up)


@njit(**OPTIONS)
def find_eg(em, had, total, near, p, found):
    """The e/γ candidates of a crossing, `found` as for jets with isolation bits last; returns how many."""
    n = 0
    seed, least = int(p.eg_seed_hw), int(p.eg_member_hw)
    for row in range(MIDDLE - int(p.eg_rows), MIDDLE + int(p.eg_rows)):
        for column in range(COLUMNS):
            if em[row, column] < seed or not is_maximum(em, row, column, 1, 2):
                continue
            cluster = compact_sum(em, row, column, least)
            et = int(cluster * p.eg_scale * (1.0 + p.eg_scale_low * LOW_HW / (LOW_HW + cluster)))
            if et < p.eg_least_hw or n >= MAX_CLUSTERS:
                continue
            if et < 2.0 * p.eg_relaxed_gev and not _looks_electromagnetic(em, had, row, column, cluster, p):
                continue
            around = block_sum(total, row - 3, row + 3, column - 4, column + 4) - cluster
            gev, limit = 0.5 * et, 0.5 * around
            bits = 0
            if limit <= p.eg_tight_gev + p.eg_tight_slope * gev + p.eg_tight_tower * near:
                bits |= _TIGHT
            if limit <= p.eg_loose_gev + p.eg_loose_slope * gev + p.eg_loose_tower * near:
                bits |= _LOOSE
            if et >= 2.0 * p.eg_relaxed_gev:
                bits = _TIGHT | _LOOSE
            found[n, 0] = min(et, _ET_HW_MAX)
            found[n, 1] = row
            found[n, 2] = column
            found[n, 3] = bits
            n += 1
    order(found, n)
    return n


@njit(**OPTIONS)
def _looks_electromagnetic(em, had, row, column, cluster, p):
    """Little hadronic energy in the core, and most of the energy in two towers."""
    core_had = block_sum(had, row, row, column - 1, column + 1)
    if core_had > p.eg_hadronic * cluster + 1.0:
        return False
    best = 0
    for d_row in range(-1, 2):
        for d_column in range(-1, 2):
            other = row + d_row
            if (d_row == 0 and d_column == 0) or other < FIRST_CENTRAL_ROW or other > LAST_CENTRAL_ROW:
                continue
            best = max(best, em[other, (column + d_column + COLUMNS) % COLUMNS])
    return cluster - em[row, column] - best <= p.eg_spread * cluster


@njit(**OPTIONS)
def find_taus(total, near, p, found):
    """The tau candidates of a crossing, `found` as for jets with the isolation bit last; returns how many."""
    n = 0
    seed = int(p.tau_seed_hw)
    for row in range(MIDDLE - int(p.tau_rows), MIDDLE + int(p.tau_rows)):
        for column in range(COLUMNS):
            if total[row, column] < seed or not is_maximum(total, row, column, 1, 4):
                continue
            cluster = compact_sum(total, row, column, 2)
            et = int(cluster * p.tau_scale * (1.0 + p.tau_scale_low * LOW_HW / (LOW_HW + cluster)))
            if et < p.tau_least_hw or n >= MAX_CLUSTERS:
                continue
            around = block_sum(total, row - 3, row + 3, column - 4, column + 4) - cluster
            gev = 0.5 * et
            limit = p.tau_gev + p.tau_slope * gev + p.tau_tower * near
            found[n, 0] = min(et, _ET_HW_MAX)
            found[n, 1] = row
            found[n, 2] = column
            found[n, 3] = 1 if 0.5 * around <= limit or gev >= p.tau_free_gev else 0
            n += 1
    order(found, n)
    return n
