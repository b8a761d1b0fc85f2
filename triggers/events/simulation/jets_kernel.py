"""Jets: sliding windows of 9 × 9 towers with the energy beside them taken off, compiled."""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from triggers.events.simulation.geometry import COLUMNS, FIRST_CENTRAL_ROW, LAST_CENTRAL_ROW, ROWS
from triggers.events.simulation.response_kernel import ENERGY_STEP, OPTIONS

HALF: Final = 4
STRIP: Final = 3
MAX_JETS: Final = 128
_JET_HW_MAX: Final = 2047
_ENDCAP_ROWS: Final = 17
"""Rows from the middle to |eta| 1.5."""
LOW_HW: Final = 40.0
"""20 GeV, where calibrations bend."""


@njit(**OPTIONS)
def is_maximum(total, row, column, half_rows, half_columns):
    """Whether a tower is the greatest of its window; of equal ones, one is."""
    energy = total[row, column]
    for d_row in range(-half_rows, half_rows + 1):
        other_row = row + d_row
        if other_row < 0 or other_row >= ROWS:
            continue
        for d_column in range(-half_columns, half_columns + 1):
            other = total[other_row, (column + d_column + COLUMNS) % COLUMNS]
            # The window is split along its diagonal [L1, figure 28], so that one of two equal towers wins.
            wins_ties = d_row + d_column > 0 or (d_row + d_column == 0 and d_row > 0)
            if other > energy or (other == energy and wins_ties):
                return False
    return True


@njit(**OPTIONS)
def block_sum(total, first_row, last_row, first_column, last_column):
    """The energy of a block of towers, both ends included; rows beyond the ends have none."""
    energy = 0
    for row in range(max(first_row, 0), min(last_row, ROWS - 1) + 1):
        for column in range(first_column, last_column + 1):
            energy += total[row, (column + COLUMNS) % COLUMNS]
    return energy


@njit(**OPTIONS)
def beside(total, row, column):
    """The energy of the three lowest of the four 3 × 9 strips beside a jet: as much area as the jet has."""
    inner, outer = HALF + 1, HALF + STRIP
    left = block_sum(total, row - HALF, row + HALF, column - outer, column - inner)
    right = block_sum(total, row - HALF, row + HALF, column + inner, column + outer)
    low, high = min(left, right), max(left, right)
    # At the end of the calorimeter there is no strip; the one beside it stands for it.
    down = low if row - outer < 0 else block_sum(total, row - outer, row - inner, column - HALF, column + HALF)
    up = low if row + outer >= ROWS else block_sum(total, row + inner, row + outer, column - HALF, column + HALF)
    greatest = max(max(low, high), max(down, up))
    return low + high + down + up - greatest


@njit(**OPTIONS)
def find_jets(total, late, has_late, p, jets):
    """The jets of a crossing; returns how many.

    Takes:
        total: `(80, 72) int32`, tower energies in hardware units.
        late: `(80, 72) float32`, late energy in `ENERGY_STEP`.
        has_late: whether there is any.
        p: the numbers of `level1.JetNumbers` as a record.
        jets: `(MAX_JETS, 4) int64`: energy in hardware units, row, column, displaced bit.
    """
    seed = int(p.seed_hw)
    n = 0
    for row in range(ROWS):
        for column in range(COLUMNS):
            if total[row, column] < seed or not is_maximum(total, row, column, HALF, HALF):
                continue
            energy = block_sum(total, row - HALF, row + HALF, column - HALF, column + HALF)
            net = energy - p.subtracted * beside(total, row, column)
            if net <= 0.0 or n >= MAX_JETS:
                continue
            size = row - 40 if row >= 40 else 39 - row
            factor = p.scale * (1.0 + p.scale_low * LOW_HW / (LOW_HW + net))
            if row < FIRST_CENTRAL_ROW or row > LAST_CENTRAL_ROW:
                factor *= p.forward_scale
            elif size >= _ENDCAP_ROWS:
                factor *= p.endcap_scale
            calibrated = int(net * factor)
            if calibrated < p.least_hw:
                continue
            jets[n, 0] = min(calibrated, _JET_HW_MAX)
            jets[n, 1] = row
            jets[n, 2] = column
            jets[n, 3] = _is_late(late, row, column, energy, p) if has_late else 0
            n += 1
    order(jets, n)
    return n


@njit(**OPTIONS)
def _is_late(late, row, column, energy, p):
    steps = 0.0
    for other in range(max(row - HALF, 0), min(row + HALF, ROWS - 1) + 1):
        for d_column in range(-HALF, HALF + 1):
            steps += late[other, (column + d_column + COLUMNS) % COLUMNS]
    gev = steps * ENERGY_STEP
    return 1 if gev >= p.late_gev and gev >= p.late_fraction * energy * 0.5 else 0


@njit(**OPTIONS)
def order(objects, n):
    """Sort rows by falling first column; of equal ones the earlier stays first."""
    for i in range(1, n):
        for j in range(i, 0, -1):
            if objects[j, 0] <= objects[j - 1, 0]:
                break
            for k in range(objects.shape[1]):
                kept = objects[j, k]
                objects[j, k] = objects[j - 1, k]
                objects[j - 1, k] = kept


def empty_jets() -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """An array for the jets of a crossing."""
    return np.zeros((MAX_JETS, 4), np.int64)
