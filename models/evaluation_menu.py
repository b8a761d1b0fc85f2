"""The cut-based menu beside a network: how likely it keeps a crossing anyway (`docs/evaluation.md`, "Pure rates")."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triggers.decision.prescales import INCREMENT, PrescaleTable, unprescaled
from triggers.errors import BadValue
from triggers.events.schema import ALGORITHM_SLOTS
from triggers.menu.evaluate import Evaluator
from triggers.menu.model import Menu


@dataclass(frozen=True, eq=False)
class CutBasedMenu:
    """A menu without its algorithms on scores, and its prescales.

    Attributes:
        menu: the menu.
        evaluator: of all that needs no score.
        lost: the chance that an algorithm's prescale loses a crossing, by index, `(512,)`.
        description: menu and prescales, for people.
    """

    menu: Menu
    evaluator: Evaluator
    lost: NDArray[np.float64]
    description: str

    @classmethod
    def of(cls, menu: Menu, prescales: PrescaleTable | None = None, column: str | None = None) -> CutBasedMenu:
        """A menu with a column of a prescale table; without a table everything passes.

        Raises:
            BadValue: a table without a column, or a column without a table; the table lacks an algorithm.
            UnknownName: there is no such column.
        """
        if (prescales is None) != (column is None):
            raise BadValue("prescales", "table and column belong together", "name both, or none")
        evaluator = Evaluator(menu)
        if prescales is None or column is None:
            factors, words = unprescaled(menu.algorithms), "without prescales"
        else:
            factors, words = prescales.factors(column, menu.algorithms), f"prescales {prescales.source}, {column}"
        lost = np.ones(ALGORITHM_SLOTS)
        on = factors > 0
        lost[on] = 1.0 - INCREMENT / factors[on]
        n = len(evaluator.evaluated)
        description = f"{menu.name}, {n} of {len(menu.algorithms)} algorithms, {words}"
        return cls(menu, evaluator, lost, description)

    @property
    def needs_neighbours(self) -> bool:
        """Whether a condition looks at other crossings."""
        return "bx" in self.evaluator.needed_columns

    def missed(self, batch: pa.RecordBatch) -> NDArray[np.float64]:
        """The chance `(n,)` that the menu keeps a crossing not, prescale counters taken as independent.

        Raises:
            SchemaMismatch: a column has the wrong shape.
        """
        chance = np.ones(batch.num_rows)
        bits = self.evaluator.evaluate(batch)
        octets = np.ascontiguousarray(bits.words).astype("<u8").view(np.uint8)
        fired = np.unpackbits(octets, axis=1, bitorder="little")[:, :ALGORITHM_SLOTS].astype(bool)
        chance[bits.rows] = np.where(fired, self.lost, 1.0).prod(axis=1)
        return chance
