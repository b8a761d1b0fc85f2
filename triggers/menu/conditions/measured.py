"""What is measured between objects, in plain integers (`docs/menu-semantics.md`, section "Quantities")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from triggers.events.packing import MUON, OBJECTS, SUMS, Field
from triggers.menu.correlation_limits import correlation_window
from triggers.menu.luts import (
    CALO_PT_OFFSET,
    CALO_TO_MUON_FACTOR,
    CALO_TO_MUON_OFFSET,
    MUON_PT_OFFSET,
    PT_STEP,
    UNCONSTRAINED_PT_OFFSET,
    UNCONSTRAINED_PT_STEP,
    Lut,
    Scale,
    inverse_delta_r_squared,
    luts,
)
from triggers.menu.model import PARTICLES, VECTOR_SUMS, Cut, CutKind, ObjectType
from triggers.menu.places import PLACES


@dataclass(frozen=True)
class Measured:
    """One object as the cuts on pairs see it.

    Attributes:
        kind: its type.
        word: its packed word.
    """

    kind: ObjectType
    word: int

    def eta(self, scale: Scale) -> int:
        """The η index on the grid of the scale; 0 for a sum, which has no η."""
        return 0 if self.kind in VECTOR_SUMS else self._on(scale, self._field("eta"))

    def phi(self, scale: Scale) -> int:
        """The φ index on the grid of the scale."""
        return self._on(scale, self._field("phi"))

    def pt(self) -> int:
        """The pT at the centre of its bin, rounded up, in 0.1 GeV; 0 for a muon that is not there."""
        if self.kind is ObjectType.MU:
            index = self._field("pt")
            return PT_STEP * index + MUON_PT_OFFSET if index else 0
        return PT_STEP * self._field("et") + CALO_PT_OFFSET

    def unconstrained_pt(self) -> int:
        """The unconstrained pT of a muon at the centre of its bin, in 0.1 GeV; 0 without one."""
        index = self._field("pt_unconstrained")
        return UNCONSTRAINED_PT_STEP * index + UNCONSTRAINED_PT_OFFSET if index else 0

    def _on(self, scale: Scale, index: int) -> int:
        finer = scale is Scale.MUON and self.kind is not ObjectType.MU
        return CALO_TO_MUON_FACTOR * index + CALO_TO_MUON_OFFSET if finer else index

    def _field(self, name: str) -> int:
        return int(_layout(self.kind)[name].get(self.word))


def _layout(kind: ObjectType) -> Mapping[str, Field]:
    if kind in PARTICLES:
        return OBJECTS[PLACES[kind].column]
    quantity = kind.value.lower()
    return {"et": SUMS[quantity][1], "phi": SUMS[f"{quantity}_phi"][1]}


def scale_of(kinds: Sequence[ObjectType]) -> Scale:
    """The grid on which objects of these types are compared."""
    return Scale.MUON if ObjectType.MU in kinds else Scale.CALO


@dataclass(frozen=True)
class MeasuredPair:
    """Two objects, and what is measured between them; see `docs/menu-semantics.md`, section "Quantities".

    Attributes:
        first: the one.
        second: the other.
        transverse: whether their mass is the transverse one; it always is if one of them is a sum.
    """

    first: Measured
    second: Measured
    transverse: bool = False

    @property
    def scale(self) -> Scale:
        """The grid on which the two are compared."""
        return scale_of([self.first.kind, self.second.kind])

    def delta_eta(self) -> int:
        """|Δη| in 0.001."""
        return self._lut(Lut.DELTA_ETA, self._eta_steps())

    def delta_phi(self) -> int:
        """|Δφ| in 0.001."""
        return self._lut(Lut.DELTA_PHI, self._phi_steps())

    def delta_r_squared(self) -> int:
        """ΔR² in 10^−6."""
        return self.delta_eta() ** 2 + self.delta_phi() ** 2

    def mass(self) -> int:
        """m²/2, or the same of the transverse mass."""
        return self.first.pt() * self.second.pt() * self._angles()

    def mass_unconstrained(self) -> int:
        """m²/2 from the unconstrained pT of two muons."""
        return self.first.unconstrained_pt() * self.second.unconstrained_pt() * self._angles()

    def mass_over_delta_r(self) -> int | None:
        """m²/2 over ΔR²; None if the two are at one place."""
        inverse = self._inverse_delta_r_squared()
        return self.mass() * inverse if inverse else None

    def two_body_pt_squared(self) -> int:
        """The squared pT of the two together; 0 where the rounding of the tables makes it negative."""
        unit = self.scale.math_factor
        one, other = self.first.phi(self.scale), self.second.phi(self.scale)
        cosines = self._lut(Lut.COS_PHI, one) * self._lut(Lut.COS_PHI, other)
        sines = self._lut(Lut.SIN_PHI, one) * self._lut(Lut.SIN_PHI, other)
        pt, other_pt = self.first.pt(), self.second.pt()
        return max(0, (pt**2 + other_pt**2) * unit**2 + 2 * pt * other_pt * (cosines + sines))

    def _angles(self) -> int:
        transverse = self.transverse or {self.first.kind, self.second.kind} & VECTOR_SUMS
        hyperbolic = self.scale.math_factor if transverse else self._lut(Lut.COSH, self._eta_steps())
        return hyperbolic - self._lut(Lut.COS, self._phi_steps())

    def _inverse_delta_r_squared(self) -> int:
        """Muons are measured in half their resolution here."""
        halved = 1 if self.scale is Scale.MUON else 0
        eta = abs((self.first.eta(self.scale) >> halved) - (self.second.eta(self.scale) >> halved))
        one, other = self.first.phi(self.scale) >> halved, self.second.phi(self.scale) >> halved
        return int(inverse_delta_r_squared()[self.scale, eta, folded(one - other, self.scale.phi_bins >> halved)])

    def _eta_steps(self) -> int:
        return abs(self.first.eta(self.scale) - self.second.eta(self.scale))

    def _phi_steps(self) -> int:
        return folded(self.first.phi(self.scale) - self.second.phi(self.scale), self.scale.phi_bins)

    def _lut(self, lut: Lut, index: int) -> int:
        return int(luts()[self.scale, lut, index])


def folded(difference: int, n_bins: int) -> int:
    """The steps between two φ indices, the short way round the circle."""
    steps = abs(difference)
    return steps if steps < n_bins // 2 else abs(n_bins - steps)


def pair_cut_holds(cut: Cut, pair: MeasuredPair) -> bool:
    """Whether a pair is within a cut on a distance, a mass or a pT; an ORM cut holds if the two overlap.

    Raises:
        BadValue: it is a cut of another kind.
    """
    low, high = correlation_window(cut, pair.scale)
    value = pair_quantity(cut.kind, pair)
    return value is None or low <= value <= high


def pair_quantity(kind: CutKind, pair: MeasuredPair) -> int | None:
    """What a cut of that kind compares, in the unit of `correlation_window`; None if nothing can fail it."""
    match kind:
        case CutKind.DELTA_ETA | CutKind.OVERLAP_DELTA_ETA:
            return pair.delta_eta()
        case CutKind.DELTA_PHI | CutKind.OVERLAP_DELTA_PHI:
            return pair.delta_phi()
        case CutKind.DELTA_R | CutKind.OVERLAP_DELTA_R:
            return pair.delta_r_squared()
        case CutKind.MASS:
            return pair.mass()
        case CutKind.MASS_UNCONSTRAINED:
            return pair.mass_unconstrained()
        case CutKind.MASS_OVER_DELTA_R:
            return pair.mass_over_delta_r()
        case _:
            return pair.two_body_pt_squared()


def charge_of(muon: Measured) -> int | None:
    """+1 or −1; None if the muon's charge is not valid."""
    if not MUON["charge_valid"].get(muon.word):
        return None
    return -1 if MUON["charge_negative"].get(muon.word) else 1
