"""Trigger towers: 80 rows in eta (28 a side to |eta| 3, 12 a side in HF) times 72 in phi.

Edges are those of the CMS trigger towers (CMS Level-1 TDR, CERN-LHCC-2000-038, section 3; HCAL TDR, CERN/LHCC 97-31 for
HF). Row 0 is the most negative in eta; rows 12 to 67 are barrel and endcaps.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

ROWS: Final = 80
COLUMNS: Final = 72
MIDDLE: Final = ROWS // 2
TOWERS: Final = ROWS * COLUMNS
CENTRAL_TOWERS: Final = 28
"""Tower rows a side to |eta| 3."""
FIRST_CENTRAL_ROW: Final = 12
LAST_CENTRAL_ROW: Final = 67
TOWER_STEP: Final = 0.087

EDGES: Final = (
    *(round(TOWER_STEP * k, 3) for k in range(21)),
    *(1.83, 1.93, 2.043, 2.172, 2.322, 2.5, 2.65, 3.0),
    *(3.139, 3.314, 3.489, 3.664, 3.839, 4.013, 4.191, 4.363, 4.538, 4.716, 4.889, 5.191),
)
"""Edges in |eta| of the 40 rows of a side."""

SIDE_EDGES: Final[NDArray[np.float64]] = np.array(EDGES)


def row_centres() -> NDArray[np.float64]:
    """The eta of each row's middle, `(80,) float64`."""
    side = (SIDE_EDGES[:-1] + SIDE_EDGES[1:]) / 2
    return np.concatenate([-side[::-1], side])


def row_eta_hw() -> NDArray[np.int64]:
    """The hardware eta (steps of 0.0435) of each row's middle, `(80,) int64`."""
    return np.floor(row_centres() / 0.0435 + 1e-6).astype(np.int64)


REGION_ROWS: Final = 14
REGION_COLUMNS: Final = 18
"""Calorimeter regions of 4 × 4 towers to |eta| 3, `docs/formats.md`."""
