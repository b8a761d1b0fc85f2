"""Menus of conditions on pairs and triples, and crossings whose objects are close together, near the limits."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tests.triggers.menu.menu_parts import SCALES, codes, menu_of, objects, window
from triggers.events import packing, schema
from triggers.events.crossings import batch_of, zero_column
from triggers.menu.luts import Lut, Scale, luts
from triggers.menu.model import (
    Cut,
    CutKind,
    Expression,
    ExternalCondition,
    Function,
    Menu,
    ObjectCondition,
    ObjectRequirement,
    Operation,
    Operator,
)

PARTICLES = ("MU", "EG", "TAU", "JET")
SUMS = ("ETM", "HTM", "ETMHF", "HTMHF")
N_OBJECTS = 5


class RandomCorrelations:
    """Draws conditions of every type that measures objects against one another."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def menu(self, n_algorithms: int) -> Menu:
        """A menu, one condition or a few of them for each algorithm."""
        return menu_of(*(self._expression() for _ in range(n_algorithms)), scales=SCALES)

    def batch(self, n: int) -> pa.RecordBatch:
        """Crossings, some of them neighbours, with up to five objects of each type."""
        slots = np.cumsum(self.rng.integers(1, 4, n))
        columns: dict[str, np.ndarray] = {
            "orbit": (slots // schema.SLOTS_PER_ORBIT).astype(np.uint32),
            "bx": (slots % schema.SLOTS_PER_ORBIT).astype(np.uint16),
            "external": zero_column("external", n) + self.rng.integers(0, 4, (n, 4), np.uint64),
        }
        for name in ("muon", "eg", "tau", "jet"):
            columns[name] = zero_column(name, n)
            shape = (n, N_OBJECTS)
            words = packing.pack(name, **self._fields(name, shape))
            words = np.where(self.rng.random(shape) < 0.8, words, 0)
            anything = np.frombuffer(self.rng.bytes(words.nbytes), np.uint64).reshape(shape)
            anything = anything & np.iinfo(columns[name].dtype).max
            columns[name][:, :N_OBJECTS] = np.where(self.rng.random(shape) < 0.03, anything, words)
        phi = {f"{name.lower()}_phi": self.rng.integers(0, 144, n) for name in SUMS}
        columns["sums"] = packing.pack_sums(**{name.lower(): self.rng.integers(0, 60, n) for name in SUMS}, **phi)
        return batch_of(columns)

    def _fields(self, name: str, shape: tuple[int, int]) -> dict[str, np.ndarray]:
        rng, muon = self.rng, name == "muon"
        eta, bins = (60, 576) if muon else (25, 144)
        phi = (rng.integers(0, bins, (shape[0], 1)) + rng.integers(0, bins // 5, shape)) % bins
        fields = {"pt" if muon else "et": rng.integers(1, 60, shape), "eta": rng.integers(-eta, eta, shape), "phi": phi}
        if muon:
            fields |= {name: rng.integers(0, 2, shape) for name in ("charge_negative", "impact_parameter")}
            fields["charge_valid"] = (rng.random(shape) < 0.8).astype(np.int64)
            fields["pt_unconstrained"] = rng.integers(0, 30, shape)
        return fields

    def _chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def _pick(self, *items: str) -> str:
        return items[self.rng.integers(len(items))]

    def _expression(self) -> Expression:
        if self._chance(0.6):
            return self._condition()
        others = [self._condition(), ExternalCondition("EXT_x", int(self.rng.integers(2)))]
        others.append(ObjectCondition(Function.SINGLE, (self._leg(self._pick(*PARTICLES), 0),)))
        operands = tuple(Operation(Operator.NOT, (one,)) if self._chance(0.2) else one for one in others)
        return Operation(Operator(self._pick("AND", "AND", "OR", "XOR")), (self._condition(), *operands))

    def _leg(self, kind: str, bx: int) -> ObjectRequirement:
        cuts = [] if kind in SUMS else [window(CutKind.ETA, *sorted(self.rng.uniform(-1.2, 1.2, 2)))]
        cuts = cuts if self._chance(0.3) else []
        if kind not in SUMS and self._chance(0.15):
            cuts.append(window(CutKind.SLICE, 0, int(self.rng.integers(0, 4))))
        if kind == "MU" and self._chance(0.2):
            cuts.append(codes(CutKind.IMPACT_PARAMETER, 1, 2))
        return objects(kind, float(self.rng.integers(0, 16)), *cuts, bx=bx)

    def _legs(self, kinds: list[str], bx: list[int] | None = None) -> list[ObjectRequirement]:
        legs = [self._leg(kind, at) for kind, at in zip(kinds, bx or [0] * len(kinds), strict=True)]
        same = len(legs) > 1 and legs[0].object is legs[1].object and legs[0].bx_offset == legs[1].bx_offset
        return [legs[0], legs[0], *legs[2:]] if same and self._chance(0.4) else legs

    def _bx(self) -> int:
        return int(self.rng.integers(-2, 3)) if self._chance(0.2) else 0

    def _condition(self) -> ObjectCondition:
        function = Function(self._pick(*(one.value for one in Function if one is not Function.SINGLE)))
        first, second = self._pick(*PARTICLES), self._pick(*PARTICLES)
        match function:
            case Function.COMB:
                legs = self._legs([first] * 2, [self._bx()] * 2)
                return ObjectCondition(function, tuple(legs), (*self._charges([first]), self._two_body_pt([first])))
            case Function.COMB_ORM:
                n, bx = int(self.rng.integers(1, 5)), self._bx()
                legs = [*self._legs([first] * n, [bx] * n), self._leg(second, self._bx())]
                cuts = self._overlap() + self._charges([first])
                cuts += [self._two_body_pt([first])] if n == 2 and self._chance(0.3) else []
                return ObjectCondition(function, tuple(legs), tuple(cuts))
            case Function.MASS_INV_3:
                bx = self._bx()
                legs = self._legs([first] * 3, [bx] * 3)
                return ObjectCondition(function, tuple(legs), (self._mass([first]), *self._charges([first])))
            case Function.MASS_TRV | Function.MASS_TRV_ORM:
                kinds = [first, self._pick(*SUMS)]
                own = [self._mass(kinds), *self._maybe(self._delta_phi(kinds))]
                if function is Function.MASS_TRV_ORM and self._chance(0.5):
                    return self._reference_as_partner(first, second)
            case Function.MASS_INV_UPT | Function.MASS_INV_DR:
                kinds = ["MU"] * 2 if function is Function.MASS_INV_UPT else [first] * 2
                kind = CutKind.MASS_UNCONSTRAINED if function is Function.MASS_INV_UPT else CutKind.MASS_OVER_DELTA_R
                own = [self._mass(kinds, kind), *self._pair_cuts(kinds)]
            case Function.DIST:
                kinds = [first, second] if self._chance(0.8) else [self._pick(*SUMS), second]
                own = self._pair_cuts(kinds) or [self._delta_phi(kinds)]
            case _:
                kinds = [first, first if self._chance(0.5) else second]
                own = self._pair_cuts(kinds)
                own += [] if function is Function.DIST_ORM else [self._mass(kinds)]
        bx = [self._bx() for _ in kinds]
        legs = self._legs(kinds, [bx[0]] * 2 if function is Function.MASS_INV_DR else bx)
        if function in (Function.DIST_ORM, Function.MASS_INV_ORM, Function.MASS_TRV_ORM):
            own += self._overlap()
            if function is Function.MASS_TRV_ORM or self._chance(0.6):
                legs.append(self._leg(self._pick(*PARTICLES), self._bx()))
        return ObjectCondition(function, tuple(legs), tuple(own))

    def _reference_as_partner(self, first: str, second: str) -> ObjectCondition:
        """A transverse mass of an object and the reference, which may be a sum."""
        kinds = [first, second if self._chance(0.7) else self._pick(*SUMS)]
        overlap = self._overlap()
        if kinds[1] in SUMS:
            overlap = [self._delta_phi([], CutKind.OVERLAP_DELTA_PHI)]
        legs = self._legs(kinds, [self._bx() for _ in kinds])
        cuts = (self._mass(kinds), *self._maybe(self._delta_phi(kinds)), *overlap)
        return ObjectCondition(Function.MASS_TRV_ORM, tuple(legs), cuts)

    def _maybe(self, *cuts: Cut) -> list[Cut]:
        return [cut for cut in cuts if self._chance(0.3)]

    def _pair_cuts(self, kinds: list[str]) -> list[Cut]:
        cuts = self._maybe(self._delta_phi(kinds), self._two_body_pt(kinds))
        if not set(kinds) & set(SUMS):
            cuts += self._maybe(self._delta_eta(kinds), self._delta_r())
        return cuts + self._charges(kinds)

    def _charges(self, kinds: list[str]) -> list[Cut]:
        wanted = set(kinds) == {"MU"} and self._chance(0.5)
        return [codes(CutKind.CHARGE_CORRELATION, self._pick("ls", "os"))] if wanted else []

    def _overlap(self) -> list[Cut]:
        cuts = [self._delta_eta([], CutKind.OVERLAP_DELTA_ETA), self._delta_phi([], CutKind.OVERLAP_DELTA_PHI)]
        chosen = self._maybe(*cuts)
        with_delta_r = not chosen or self._chance(0.5)
        return [*chosen, self._delta_r(CutKind.OVERLAP_DELTA_R)] if with_delta_r else chosen

    def _steps(self, kinds: list[str], lut: Lut, largest: int) -> tuple[float, float]:
        """Limits that are exactly the values of two table entries."""
        table = luts()[Scale.MUON if "MU" in kinds else Scale.CALO, lut] / 1000
        low, high = np.sort(table[self.rng.integers(0, largest, 2)])
        return (0.0, float(high)) if self._chance(0.5) else (float(low), float(high))

    def _delta_eta(self, kinds: list[str], kind: CutKind = CutKind.DELTA_ETA) -> Cut:
        return window(kind, *self._steps(kinds, Lut.DELTA_ETA, 90 if "MU" in kinds else 40))

    def _delta_phi(self, kinds: list[str], kind: CutKind = CutKind.DELTA_PHI) -> Cut:
        return window(kind, *self._steps(kinds, Lut.DELTA_PHI, 200 if "MU" in kinds else 50))

    def _delta_r(self, kind: CutKind = CutKind.DELTA_R) -> Cut:
        return window(kind, float(self.rng.choice([0.0, 0.0, 0.1, 0.3])), float(self.rng.integers(2, 16)) / 10)

    def _mass(self, kinds: list[str], kind: CutKind = CutKind.MASS) -> Cut:
        low = float(self.rng.integers(0, 12))
        if kind is CutKind.MASS_OVER_DELTA_R:
            return window(kind, 4 * low, 0.0)
        return window(kind, low, low + float(self.rng.integers(1, 30)) / 2)

    def _two_body_pt(self, kinds: list[str]) -> Cut:
        return window(CutKind.TWO_BODY_PT, float(self.rng.integers(0, 50)), 0.0)
