"""Menus and crossings for the tests of conditions, kernel and evaluator."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa

from triggers.events import packing, schema
from triggers.events.crossings import batch_of, zero_column
from triggers.menu.model import (
    Algorithm,
    Comparison,
    Cut,
    CutKind,
    Expression,
    ExternalCondition,
    Function,
    Menu,
    ObjectCondition,
    ObjectRequirement,
    ObjectType,
    Operation,
    Operator,
    ScaleSet,
    WorkingPointCondition,
)

SCALES = ScaleSet("scales_test")


def window(kind: CutKind, low: float, high: float) -> Cut:
    return Cut(f"{kind}_{low}_{high}", kind, None, low, high)


def codes(kind: CutKind, *values: object) -> Cut:
    return Cut(f"{kind}_{values}", kind, None, values=tuple(str(value) for value in values))


def objects(kind: str, threshold: float | None, *cuts: Cut, bx: int = 0, equal: bool = False) -> ObjectRequirement:
    comparison = Comparison.EQUAL if equal else Comparison.AT_LEAST
    return ObjectRequirement(
        ObjectType(kind), None if threshold is None else Decimal(str(threshold)), comparison, bx, tuple(cuts)
    )


def single(kind: str, threshold: float | None = None, *cuts: Cut, bx: int = 0) -> ObjectCondition:
    return ObjectCondition(Function.SINGLE, (objects(kind, threshold, *cuts, bx=bx),))


def comb(*requirements: ObjectRequirement, charges: str | None = None) -> ObjectCondition:
    cuts = () if charges is None else (codes(CutKind.CHARGE_CORRELATION, charges),)
    return ObjectCondition(Function.COMB, requirements, cuts)


def axo(threshold: int, model: str = "v3") -> ObjectCondition:
    return single("AXO", None, codes(CutKind.MODEL, model), window(CutKind.SCORE, threshold, 0))


def all_of(*operands: Expression) -> Operation:
    return Operation(Operator.AND, operands)


def any_of(*operands: Expression) -> Operation:
    return Operation(Operator.OR, operands)


def negated(operand: Expression) -> Operation:
    return Operation(Operator.NOT, (operand,))


def menu_of(*expressions: Expression, scales: ScaleSet = SCALES) -> Menu:
    """A menu of the algorithms A0, A1 … with these expressions."""
    algorithms = tuple(Algorithm(i, f"A{i}", "", expression) for i, expression in enumerate(expressions))
    return Menu("test", "test.xml", "", algorithms, scales)


def crossings(*rows: dict[str, Sequence[int]], bx: Sequence[int] | None = None) -> pa.RecordBatch:
    """Crossings from the first words of their columns; without `bx` none has a neighbour."""
    columns: dict[str, np.ndarray] = {
        "orbit": np.ones(len(rows), np.uint32),
        "bx": np.array(bx if bx is not None else range(0, 3 * len(rows), 3), np.uint16),
    }
    for name in schema.OBJECT_COLUMNS:
        columns[name] = zero_column(name, len(rows))
        for row, given in enumerate(rows):
            words = given.get(name, [])
            columns[name][row, : len(words)] = words
    return batch_of(columns)


def jet(et: int, **fields: int) -> int:
    return int(packing.pack("jet", et=et, **fields))


def muon(pt: int, charge: int | None = None, **fields: int) -> int:
    """A muon's word; `charge` is +1, −1, or None for no valid charge."""
    valid = {} if charge is None else {"charge_valid": 1, "charge_negative": int(charge < 0)}
    return int(packing.pack("muon", pt=pt, **valid, **fields))


class RandomMenu:
    """Draws menus of every kind of condition, and crossings that are near their thresholds."""

    SCORES = ("axol1tl/v3", "topo/x", "axol1tl@production")

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def menu(self, n_algorithms: int) -> Menu:
        """A menu; some algorithms share requirements, as real ones do."""
        self.pool = [self._requirement() for _ in range(12)]
        scales = ScaleSet("random", int(self.rng.integers(2)), int(self.rng.integers(2)))
        return menu_of(*(self._expression(2) for _ in range(n_algorithms)), scales=scales)

    def _chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def _pick(self, *items: object) -> object:
        return items[self.rng.integers(len(items))]

    def _expression(self, depth: int) -> Expression:
        if depth == 0 or self._chance(0.4):
            return self._condition()
        operator = Operator(self._pick(*Operator))
        n = 1 if operator is Operator.NOT else int(self.rng.integers(2, 4))
        return Operation(operator, tuple(self._expression(depth - 1) for _ in range(n)))

    def _condition(self) -> Expression:
        draw = self.rng.random()
        if draw < 0.08:
            return ExternalCondition("EXT_x", int(self.rng.integers(256)), self._bx())
        if draw < 0.12:
            return WorkingPointCondition("axol1tl", "production", str(self._pick("tight", "loose")))
        if draw < 0.18:
            return axo(int(self.rng.integers(100))) if self._chance(0.5) else self._topo()
        if draw < 0.5:
            return self._comb()
        return ObjectCondition(Function.SINGLE, (self._requirement() if self._chance(0.5) else self._from_pool(),))

    def _topo(self) -> ObjectCondition:
        return single("TOPO", None, codes(CutKind.MODEL, "x"), window(CutKind.SCORE, float(self.rng.integers(100)), 0))

    def _from_pool(self) -> ObjectRequirement:
        return self.pool[self.rng.integers(len(self.pool))]

    def _bx(self) -> int:
        return int(self.rng.integers(-2, 3)) if self._chance(0.3) else 0

    def _comb(self) -> ObjectCondition:
        kind = str(self._pick("MU", "EG", "TAU", "JET"))
        first = self._particle(kind, self._bx())
        if kind != "MU" and self._chance(0.1):
            return comb(*[objects(kind, 1, bx=first.bx_offset)] * int(self.rng.integers(5, 13)))
        legs = [first]
        for _ in range(self.rng.integers(1, 4)):
            lower = objects(kind, float(self.rng.integers(0, 5)), *first.cuts, bx=first.bx_offset)
            legs.append(self._pick(first, lower, self._particle(kind, first.bx_offset)))
        charges = str(self._pick("ls", "os", "0", "1")) if kind == "MU" and self._chance(0.5) else None
        return comb(*legs, charges=charges)

    def _requirement(self) -> ObjectRequirement:
        kind = self._pick(*(t for t in ObjectType if t.value not in ("ADT", "AXO", "TOPO")))
        if kind in ("MU", "EG", "TAU", "JET"):
            return self._particle(str(kind), self._bx())
        if kind is ObjectType.CICADA:
            return objects("CICADA", None, window(CutKind.CICADA_SCORE, self.rng.uniform(0, 255), 0), bx=self._bx())
        if str(kind).startswith(("MUS", "CENT")):
            return objects(str(kind), None, bx=self._bx())
        cuts = [self._phi()] if kind in ("ETM", "HTM", "ETMHF", "HTMHF") and self._chance(0.5) else []
        return objects(str(kind), float(self.rng.integers(0, 12)), *cuts, bx=self._bx(), equal=self._chance(0.1))

    def _particle(self, kind: str, bx: int) -> ObjectRequirement:
        cuts = [self._eta() for _ in range(self.rng.integers(0, 3))] + [self._phi()] * self._chance(0.2)
        lists = {"MU": ("ISO", "QLTY", "IP"), "EG": ("ISO",), "TAU": ("ISO",), "JET": ()}[kind]
        for name in lists:
            if self._chance(0.3):
                cuts.append(codes(CutKind(name), *self.rng.integers(0, 16 if name == "QLTY" else 4, 3)))
        if kind == "JET" and self._chance(0.2):
            cuts.append(codes(CutKind.DISPLACED, self.rng.integers(2)))
        if kind == "MU":
            cuts += self._muon_cuts()
        if self._chance(0.15):
            low = int(self.rng.integers(0, 8))
            cuts.append(window(CutKind.SLICE, low, low + int(self.rng.integers(0, 5))))
        threshold = float(self.rng.integers(0, 12)) / 2 if self._chance(0.8) else float(self.rng.integers(0, 250))
        return objects(kind, threshold, *cuts, bx=bx, equal=self._chance(0.05))

    def _muon_cuts(self) -> list[Cut]:
        cuts = []
        if self._chance(0.2):
            cuts.append(codes(CutKind.CHARGE, self._pick("positive", "negative")))
        if self._chance(0.2):
            cuts.append(window(CutKind.UNCONSTRAINED_PT, int(self.rng.integers(0, 6)), int(self.rng.integers(6, 256))))
        for _ in range(self.rng.integers(0, 3)):
            low = int(self.rng.integers(0, 108))
            cuts.append(window(CutKind.INDEX, low, low + 30))
        return cuts

    def _eta(self) -> Cut:
        low, high = self.rng.uniform(-3, 3, 2)
        return window(CutKind.ETA, float(low), float(high))

    def _phi(self) -> Cut:
        low, high = self.rng.uniform(0, 2 * np.pi, 2)
        return window(CutKind.PHI, float(low), float(high))

    def batch(self, n: int) -> pa.RecordBatch:
        """Crossings with and without neighbours: empty, few soft objects, equal objects, random and full words."""
        slots = np.cumsum(self.rng.integers(1, 5, n))
        columns: dict[str, np.ndarray] = {
            "orbit": (slots // schema.SLOTS_PER_ORBIT).astype(np.uint32),
            "bx": (slots % schema.SLOTS_PER_ORBIT).astype(np.uint16),
            "context": self.rng.random(n) < 0.1,
        }
        value = {"muon": ("pt", 10), "eg": ("et", 0), "tau": ("et", 0), "jet": ("et", 0)}
        for name in schema.OBJECT_COLUMNS:
            empty = zero_column(name, n)
            dtype, shape = empty.dtype, empty.shape
            words = np.frombuffer(self.rng.bytes(empty.nbytes), dtype).reshape(shape)
            soft = self.rng.random(shape) < 0.6
            if name in value:
                _, shift = value[name]
                mask = dtype.type(~(0x1F0 << shift) & (2 ** (8 * dtype.itemsize) - 1))
                words = np.where(soft, words & mask, words)
            elif name == "sums":
                words = np.where(soft, words & dtype.type(0xFFFFF01F), words)
            words = np.where(self.rng.random(shape) < self.rng.random((n, 1)), words, 0)
            words = np.where(self.rng.random((n, 1)) < 0.1, words[:, :1], words)
            full = np.iinfo(dtype).max
            columns[name] = np.where(self.rng.random((n, 1)) < 0.03, full, words).astype(dtype)
        return batch_of(columns)

    def scores(self, n: int) -> dict[str, np.ndarray]:
        """Integer scores, one array for each name."""
        return {name: self.rng.integers(0, 130, n) for name in self.SCORES}

    def thresholds(self) -> dict[WorkingPointCondition, int]:
        """Thresholds of the two working points."""
        return {
            WorkingPointCondition("axol1tl", "production", point): int(self.rng.integers(60, 130))
            for point in ("tight", "loose")
        }
