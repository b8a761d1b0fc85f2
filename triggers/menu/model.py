"""A trigger menu as data: algorithms, conditions, requirements, cuts (`docs/menu-semantics.md`, section 1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum


class ObjectType(StrEnum):
    """What a requirement looks at."""

    MU = "MU"
    EG = "EG"
    TAU = "TAU"
    JET = "JET"
    ETT = "ETT"
    ETTEM = "ETTEM"
    HTT = "HTT"
    ETM = "ETM"
    HTM = "HTM"
    ETMHF = "ETMHF"
    HTMHF = "HTMHF"
    TOWERCOUNT = "TOWERCOUNT"
    MBT0HFP = "MBT0HFP"
    MBT0HFM = "MBT0HFM"
    MBT1HFP = "MBT1HFP"
    MBT1HFM = "MBT1HFM"
    ASYMET = "ASYMET"
    ASYMHT = "ASYMHT"
    ASYMETHF = "ASYMETHF"
    ASYMHTHF = "ASYMHTHF"
    ZDCP = "ZDCP"
    ZDCM = "ZDCM"
    MUS0 = "MUS0"
    MUS1 = "MUS1"
    MUS2 = "MUS2"
    MUSOOT0 = "MUSOOT0"
    MUSOOT1 = "MUSOOT1"
    CENT0 = "CENT0"
    CENT1 = "CENT1"
    CENT2 = "CENT2"
    CENT3 = "CENT3"
    CENT4 = "CENT4"
    CENT5 = "CENT5"
    CENT6 = "CENT6"
    CENT7 = "CENT7"
    CICADA = "CICADA"
    ADT = "ADT"
    AXO = "AXO"
    TOPO = "TOPO"


PARTICLES = frozenset({ObjectType.MU, ObjectType.EG, ObjectType.TAU, ObjectType.JET})
ENERGY_SUMS = frozenset(
    {
        ObjectType.ETT,
        ObjectType.ETTEM,
        ObjectType.HTT,
        ObjectType.ETM,
        ObjectType.HTM,
        ObjectType.ETMHF,
        ObjectType.HTMHF,
    }
)
VECTOR_SUMS = frozenset({ObjectType.ETM, ObjectType.HTM, ObjectType.ETMHF, ObjectType.HTMHF})
COUNTS = frozenset(
    {
        ObjectType.TOWERCOUNT,
        ObjectType.MBT0HFP,
        ObjectType.MBT0HFM,
        ObjectType.MBT1HFP,
        ObjectType.MBT1HFM,
        ObjectType.ASYMET,
        ObjectType.ASYMHT,
        ObjectType.ASYMETHF,
        ObjectType.ASYMHTHF,
        ObjectType.ZDCP,
        ObjectType.ZDCM,
    }
)
SINGLE_BITS = frozenset(t for t in ObjectType if t.value.startswith(("MUS", "CENT")))
NETWORK_SCORES = frozenset({ObjectType.ADT, ObjectType.AXO, ObjectType.TOPO})
"""Objects whose value is a network's score, computed outside the menu."""


class Comparison(StrEnum):
    """How a value is held against its threshold."""

    AT_LEAST = ".ge."
    EQUAL = ".eq."


class CutKind(StrEnum):
    """What a cut restricts; those of the first group stand at an object, the others at a condition."""

    ETA = "ETA"
    PHI = "PHI"
    QUALITY = "QLTY"
    ISOLATION = "ISO"
    IMPACT_PARAMETER = "IP"
    CHARGE = "CHG"
    UNCONSTRAINED_PT = "UPT"
    DISPLACED = "DISP"
    SLICE = "SLICE"
    INDEX = "INDEX"
    COUNT = "COUNT"
    ADT_SCORE = "ASCORE"
    SCORE = "SCORE"
    CICADA_SCORE = "CSCORE"
    MODEL = "MODEL"

    DELTA_ETA = "DETA"
    DELTA_PHI = "DPHI"
    DELTA_R = "DR"
    MASS = "MASS"
    MASS_UNCONSTRAINED = "MASSUPT"
    MASS_OVER_DELTA_R = "MASSDR"
    TWO_BODY_PT = "TBPT"
    CHARGE_CORRELATION = "CHGCOR"
    OVERLAP_DELTA_ETA = "ORMDETA"
    OVERLAP_DELTA_PHI = "ORMDPHI"
    OVERLAP_DELTA_R = "ORMDR"


class Function(StrEnum):
    """The condition types of the grammar."""

    SINGLE = "single"
    COMB = "comb"
    COMB_ORM = "comb_orm"
    DIST = "dist"
    DIST_ORM = "dist_orm"
    MASS_INV = "mass_inv"
    MASS_INV_ORM = "mass_inv_orm"
    MASS_INV_UPT = "mass_inv_upt"
    MASS_INV_DR = "mass_inv_dr"
    MASS_INV_3 = "mass_inv_3"
    MASS_TRV = "mass_trv"
    MASS_TRV_ORM = "mass_trv_orm"


TRANSVERSE = frozenset({Function.MASS_TRV, Function.MASS_TRV_ORM})
"""The functions whose mass is the transverse one, whatever the objects are."""


@dataclass(frozen=True)
class Cut:
    """A named restriction, in the menu's own (physical) values.

    Attributes:
        name: the name that expressions use, e.g. `MU-QLTY_SNGL`.
        kind: what it restricts.
        object: the object type it belongs to; None for cuts of a condition.
        minimum: lower limit of a window, in the quantity's unit, or the single value of a score.
        maximum: upper limit of a window.
        values: what the menu lists instead of a window: quality codes, `os`, a model's name …
    """

    name: str
    kind: CutKind
    object: ObjectType | None
    minimum: float = 0.0
    maximum: float = 0.0
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class ObjectRequirement:
    """One object of a condition: type, threshold, crossing offset and cuts.

    Attributes:
        object: what is looked at.
        threshold: in GeV, or a count; None for objects without one.
        comparison: how the value is held against the threshold.
        bx_offset: −2 to 2; +1 is the crossing one slot later.
        cuts: the cuts of this object, resolved.
    """

    object: ObjectType
    threshold: Decimal | None
    comparison: Comparison = Comparison.AT_LEAST
    bx_offset: int = 0
    cuts: tuple[Cut, ...] = ()

    def cuts_of(self, kind: CutKind) -> tuple[Cut, ...]:
        """The cuts of one kind, in the order written."""
        return tuple(cut for cut in self.cuts if cut.kind is kind)


@dataclass(frozen=True)
class ObjectCondition:
    """A condition on objects: `MU22[…]`, `comb{…}[…]`, `dist{…}[…]` …; overlap removal has its reference last."""

    function: Function
    requirements: tuple[ObjectRequirement, ...]
    cuts: tuple[Cut, ...] = ()

    def cuts_of(self, kind: CutKind) -> tuple[Cut, ...]:
        """The condition's own cuts of one kind, in the order written."""
        return tuple(cut for cut in self.cuts if cut.kind is kind)


@dataclass(frozen=True)
class ExternalCondition:
    """An external signal: `EXT_…`; `channel` is None where the menu's signal set does not list it."""

    signal: str
    channel: int | None
    bx_offset: int = 0


@dataclass(frozen=True)
class WorkingPointCondition:
    """A score against a working point that the model's manifest owns: `axol1tl@production:nominal` (YAML menus)."""

    model: str
    alias: str
    working_point: str


Condition = ObjectCondition | ExternalCondition | WorkingPointCondition


class Operator(StrEnum):
    """Boolean operators, strongest first."""

    NOT = "NOT"
    AND = "AND"
    XOR = "XOR"
    OR = "OR"


@dataclass(frozen=True)
class Operation:
    """An operator and its operands: one for NOT, two or more for the others."""

    operator: Operator
    operands: tuple[Expression, ...]


Expression = Operation | ObjectCondition | ExternalCondition | WorkingPointCondition


def conditions_of(expression: Expression) -> Iterator[Condition]:
    """Every condition of an expression, from left to right."""
    if isinstance(expression, Operation):
        for operand in expression.operands:
            yield from conditions_of(operand)
    else:
        yield expression


@dataclass(frozen=True)
class Algorithm:
    """A seed: its bit (0 to 511), name, and the expression that sets it."""

    index: int
    name: str
    text: str
    expression: Expression
    comment: str = ""


@dataclass(frozen=True)
class ScaleSet:
    """What differs between the years' scales (`docs/menu-semantics.md`, section "Scales").

    Attributes:
        name: e.g. `scales_2024_05_15`.
        muon_pt_offset: 1 where muon pT index k means [(k−1)/2, k/2) GeV (since March 2016), else 0.
        unconstrained_pt_zero: index of a limit of 0 GeV on the unconstrained pT: 0 in the set of October 2020, else 1.
    """

    name: str
    muon_pt_offset: int = 1
    unconstrained_pt_zero: int = 1


@dataclass(frozen=True)
class Menu:
    """A trigger menu.

    Attributes:
        name: the menu's name.
        source: the file it was read from.
        digest: SHA-256 of that file's bytes, hex.
        algorithms: in ascending order of their index.
        scales: which conventions its numbers follow.
        groups: named sets of algorithm names (YAML menus).
        comment: what its author says about it.
    """

    name: str
    source: str
    digest: str
    algorithms: tuple[Algorithm, ...]
    scales: ScaleSet
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    comment: str = ""

    def algorithm(self, name: str) -> Algorithm | None:
        """The algorithm of that name, if there is one."""
        return next((a for a in self.algorithms if a.name == name), None)
