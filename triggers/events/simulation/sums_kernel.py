"""Energy sums, minimum-bias counts and calorimeter regions, compiled."""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import math
from typing import Final

from numba import njit

from triggers.events.simulation.geometry import COLUMNS, FIRST_CENTRAL_ROW, LAST_CENTRAL_ROW, REGION_COLUMNS, ROWS
from triggers.events.simulation.response_kernel import OPTIONS

_SUM_MAX: Final = 4095
_COUNT_MAX: Final = 8191
_BIAS_MAX: Final = 15
_PHI_BINS: Final = 144
_TWO_PI: Final = 2 * math.pi
_BARREL_ROWS: Final = 17
_REGION_MAX: Final = 1023


@njit(**OPTIONS)
def sum_word(x, y, scale):
    """Magnitude and direction of a vector as the low 20 bits of a sum word."""
    size = min(int(math.sqrt(x * x + y * y) * scale), _SUM_MAX)
    turn = math.atan2(y, x) / _TWO_PI
    phi = min(int((turn - math.floor(turn)) * _PHI_BINS), _PHI_BINS - 1)
    return size | (phi << 12) if size > 0 else 0


@njit(**OPTIONS)
def fill_sums(total, em, near, jets, n_jets, cos, sin, p, words, regions):
    """The `sums` words and the regions of a crossing.

    Takes:
        total, em: `(80, 72) int32`, hardware units.
        near: towers with energy near eta 0.
        jets, n_jets: as `find_jets` leaves them.
        cos, sin: of the columns' middles, `(72,) float64`.
        p: the numbers of `level1.SumNumbers` as a record.
        words: `(12,) uint32`.
        regions: `(252,) uint16`.
    """
    ett, ett_em, count = 0, 0, 0
    x, y, x_hf, y_hf = 0.0, 0.0, 0.0, 0.0
    bias_plus, bias_minus = 0, 0
    endcap = p.met_endcap_hw + p.met_per_tower * near
    for i in range(regions.shape[0]):
        regions[i] = 0
    for row in range(ROWS):
        central = FIRST_CENTRAL_ROW <= row <= LAST_CENTRAL_ROW
        size = row - 40 if row >= 40 else 39 - row
        least = p.met_hw if size < _BARREL_ROWS else (endcap if central else p.met_forward_hw)
        row_x, row_y = 0.0, 0.0
        for column in range(COLUMNS):
            value = total[row, column]
            if value == 0:
                continue
            if value >= least:
                row_x += value * cos[column]
                row_y += value * sin[column]
            if central:
                region = (row - FIRST_CENTRAL_ROW) // 4 * REGION_COLUMNS + column // 4
                regions[region] = min(regions[region] + value, _REGION_MAX)
                if value >= p.tower_hw:
                    ett += value
                    count += 1
                    ett_em += em[row, column]
            elif value >= p.bias_hw and column % 2 == 0:
                if row >= 40:
                    bias_plus += 1
                else:
                    bias_minus += 1
        x_hf += row_x
        y_hf += row_y
        if central:
            x += row_x
            y += row_y
    htt, hx, hy, hx_hf, hy_hf = 0, 0.0, 0.0, 0.0, 0.0
    for i in range(n_jets):
        energy, row = jets[i, 0], jets[i, 1]
        if energy < p.htt_jet_hw:
            break
        size = row - 40 if row >= 40 else 39 - row
        jet_x, jet_y = energy * cos[jets[i, 2]], energy * sin[jets[i, 2]]
        hx_hf += jet_x
        hy_hf += jet_y
        if size < p.htt_row:
            htt += energy
            hx += jet_x
            hy += jet_y
    bias_plus, bias_minus = min(bias_plus, _BIAS_MAX), min(bias_minus, _BIAS_MAX)
    words[0] = min(ett, _SUM_MAX) | (min(ett_em, _SUM_MAX) << 12) | (bias_plus << 28)
    words[1] = min(htt, _SUM_MAX) | (min(count, _COUNT_MAX) << 12) | (bias_minus << 28)
    words[2] = sum_word(-x, -y, p.met_scale) | (bias_plus << 28)
    words[3] = sum_word(-hx, -hy, 1.0) | (bias_minus << 28)
    words[4] = sum_word(-x_hf, -y_hf, p.methf_scale)
    words[5] = sum_word(-hx_hf, -hy_hf, 1.0)
