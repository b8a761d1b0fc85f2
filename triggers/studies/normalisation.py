"""From sums of weights to rates, and the sentence that says how (`docs/replay.md`, section "Normalisation")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from triggers.decision.settings import PHYSICS_ORBITS_PER_LUMI_SECTION
from triggers.errors import BadValue
from triggers.events.schema import ORBITS_PER_SECOND

LUMI_SECTION_SECONDS: Final = PHYSICS_ORBITS_PER_LUMI_SECTION / ORBITS_PER_SECOND
INELASTIC_CROSS_SECTION_CM2: Final = 69.2e-27
"""The minimum-bias cross section with which CMS turns luminosity into pile-up (69.2 mb)."""


@dataclass(frozen=True)
class Normalisation:
    """What one unit of weight is in Hz.

    Attributes:
        hz_per_weight: rate of a sum of weights of 1 over the whole sample.
        collisions_hz: rate of a condition that is always true, after scaling.
        scale: the factor to the target luminosity, 1 without.
        sentences: how it was found, for people.
    """

    hz_per_weight: float
    collisions_hz: float
    scale: float
    sentences: tuple[str, ...]

    def rate(
        self, sums: NDArray[np.float64], squares: NDArray[np.float64], mean_square: float
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Rates and their errors in Hz.

        Args:
            sums: sums of weights.
            squares: sums of squared weights, whose square root is the error.
            mean_square: the mean squared weight of a crossing; the error of nothing is that of one crossing.
        """
        errors = np.sqrt(np.where(squares > 0, squares, mean_square))
        return sums * self.hz_per_weight, errors * self.hz_per_weight


def from_bunches(total_weight: float, colliding_bunches: int, scale: float = 1.0) -> Normalisation:
    """The sample stands for all crossings of a beam: a fraction of its weight times the collision rate.

    Raises:
        BadValue: the weights of the sample do not add up to more than 0.
    """
    if not total_weight > 0:
        raise BadValue("normalisation", f"the weights add up to {total_weight:g}", "give crossings of positive weight")
    collisions_hz = colliding_bunches * ORBITS_PER_SECOND * scale
    sentence = (
        f"Rate = fraction of the sample's weight ({total_weight:,.10g}) × {colliding_bunches} colliding bunches"
        f" × {ORBITS_PER_SECOND:,} Hz."
    )
    return Normalisation(collisions_hz / total_weight, collisions_hz, scale, (sentence,))


def from_lumi_sections(total_weight: float, n_lumi_sections: int, prescale: float, scale: float = 1.0) -> Normalisation:
    """The sample is what a trigger of known prescale recorded in whole lumi sections.

    Raises:
        BadValue: there is no lumi section, or a prescale below 1.
    """
    if n_lumi_sections < 1 or not prescale >= 1:
        what = f"{n_lumi_sections} lumi sections with prescale {prescale:g}"
        raise BadValue("normalisation", what, "give at least one lumi section and a prescale from 1")
    seconds = n_lumi_sections * LUMI_SECTION_SECONDS
    hz_per_weight = prescale / seconds * scale
    sentence = (
        f"Rate = sum of weights × {prescale:g} (prescale of the sample) / ({n_lumi_sections} lumi sections"
        f" × {LUMI_SECTION_SECONDS:.2f} s)."
    )
    return Normalisation(hz_per_weight, total_weight * hz_per_weight, scale, (sentence,))


def from_seconds(total_weight: float, seconds: float, scale: float = 1.0) -> Normalisation:
    """The sample is what was kept of all crossings of a known time.

    Raises:
        BadValue: there was no time.
    """
    if not seconds > 0:
        raise BadValue("normalisation", f"{seconds:g} s of simulated time", "take a run that decided crossings")
    sentence = f"Rate = sum of weights / {seconds:.4g} s of simulated time."
    return Normalisation(scale / seconds, total_weight / seconds * scale, scale, (sentence,))


@dataclass(frozen=True)
class LuminosityScale:
    """A linear scale from the sample's luminosity to another.

    Attributes:
        factor: target / sample.
        sentence: what was assumed.
    """

    factor: float
    sentence: str


def luminosity_scale(
    target: float, sample: float | None, mean_pileup: float | None, colliding_bunches: int
) -> LuminosityScale:
    """The scale to a target luminosity, in cm⁻² s⁻¹; without the sample's own it follows from the mean pile-up.

    Raises:
        BadValue: neither the sample's luminosity nor its pile-up is known, or one of them is not positive.
    """
    origin = "as given"
    if sample is None:
        if mean_pileup is None:
            what = "the sample's own luminosity is not known, and it has no pile-up"
            raise BadValue("--target-luminosity", what, "give it with --luminosity")
        sample = mean_pileup * colliding_bunches * ORBITS_PER_SECOND / INELASTIC_CROSS_SECTION_CM2
        origin = f"from a mean pile-up of {mean_pileup:.1f}, {colliding_bunches} bunches and 69.2 mb"
    if not (sample > 0 and target > 0):
        raise BadValue("--target-luminosity", f"from {sample:g} to {target:g} cm⁻² s⁻¹", "give positive luminosities")
    factor = target / sample
    return LuminosityScale(
        factor,
        f"Scaled linearly by {factor:.4g} from {sample:.3g} cm⁻² s⁻¹ ({origin}) to {target:.3g} cm⁻² s⁻¹. Rates that"
        " grow faster than linearly with pile-up (sums, multi-objects) are underestimated by this when scaling up.",
    )
