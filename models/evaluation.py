"""What networks are worth: rates and efficiencies on simulated crossings (`docs/evaluation.md`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from models.evaluation_curves import Part, ScoreCurve, separation
from models.evaluation_errors import SampleUnfit
from models.evaluation_profiles import profiles, stability
from models.evaluation_result import Difference, Efficiency, Evaluation, Options, RateKind, RatePoint, Separated
from models.evaluation_sample import ScoredSample, score_sample
from models.evaluation_scorers import Arithmetic, LeftOut, Scorer
from triggers.events.source import Source

FALSE_POSITIVES: Final = 1e-5
"""At which true positives are stated."""

Progress = Callable[[str, int], None]


def evaluate(
    columns: Sequence[Scorer | LeftOut],
    background: Source,
    signals: Mapping[str, Source],
    options: Options,
    progress: Progress = lambda _name, _rows: None,
) -> Evaluation:
    """Score samples, and say what each network keeps of them.

    Args:
        columns: from `models.evaluation_scorers.scorers`.
        background: zero bias, in the proportions of a beam.
        signals: by name.
        options: how rates are made.
        progress: called with the name of a sample and the number of its rows read.

    Raises:
        SampleUnfit: a sample says nothing about a score, or the menu keeps everything.
        L1ChainError: a source is damaged, or lacks what a network reads.

    Example:
        >>> from models.evaluation_scorers import scorers
        >>> from models.repository import Repository
        >>> from triggers.events.synthetic import SyntheticSource
        >>> columns = list(scorers(Repository().load("axol1tl", "production"), [Arithmetic.FIXED]))
        >>> found = evaluate(columns, SyntheticSource(2000), {}, Options(targets_hz=(1e6,)))
        >>> found.rates[0].rate_hz <= 1e6
        True
    """
    there = tuple(column for column in columns if isinstance(column, Scorer))
    left_out = tuple(column for column in columns if isinstance(column, LeftOut))
    zero_bias = score_sample(background, there, options.menu, lambda n: progress("background", n))
    if zero_bias.missed is not None and not zero_bias.missed.any():
        what = "has no crossing that the menu does not keep, so that nothing has a pure rate"
        raise SampleUnfit(zero_bias.name, what, "give prescales that turn off what fires always, such as zero bias")
    scored = {
        name: score_sample(source, there, options.menu, lambda n, name=name: progress(name, n))  # type: ignore[misc]
        for name, source in signals.items()
    }
    return evaluate_samples(there, zero_bias, scored, options, left_out)


def evaluate_samples(
    scorers: Sequence[Scorer],
    background: ScoredSample,
    signals: Mapping[str, ScoredSample],
    options: Options,
    left_out: Sequence[LeftOut] = (),
) -> Evaluation:
    """As `evaluate`, of samples that are scored."""
    rates: list[RatePoint] = []
    efficiencies: list[Efficiency] = []
    separations: list[Separated] = []
    for scorer in scorers:
        curve = background.curve(scorer.name)
        points = rate_points(scorer.name, background, options)
        rates += points
        for signal, sample in signals.items():
            found = sample.curve(scorer.name)
            efficiencies += _efficiencies(points, signal, sample, found)
            separations.append(_separated(scorer.name, signal, found, curve))
    references = [point for point in rates if point.kind is RateKind.TOTAL and point.target_hz == options.reference_hz]
    return Evaluation(
        options=options,
        scorers=tuple(scorers),
        left_out=tuple(left_out),
        background=background,
        signals=signals,
        rates=tuple(rates),
        efficiencies=tuple(efficiencies),
        separations=tuple(separations),
        differences=tuple(_differences(scorers, background)),
        profiles=tuple(
            profile
            for point in references
            for profile in profiles(background, point.scorer, point.threshold, options.collisions_hz)
        ),
        stabilities=tuple(
            steady
            for point in references
            if (steady := stability(background, point.scorer, point.threshold)) is not None
        ),
    )


def rate_points(scorer: str, background: ScoredSample, options: Options) -> list[RatePoint]:
    """The thresholds of all target rates, total and, with a menu, pure."""
    points = [_point(scorer, RateKind.TOTAL, background.curve(scorer), hz, options) for hz in options.targets_hz]
    pure = background.pure_curve(scorer)
    if pure is not None:
        points += [_point(scorer, RateKind.PURE, pure, hz, options) for hz in options.targets_hz]
    return points


def _point(scorer: str, kind: RateKind, curve: ScoreCurve, target_hz: float, options: Options) -> RatePoint:
    collisions_hz = options.collisions_hz
    threshold = curve.threshold(target_hz / collisions_hz)
    part = curve.at(threshold)
    relative = part.error / part.fraction if part.fraction > 0 else 1.0
    return RatePoint(
        scorer,
        kind,
        target_hz,
        threshold,
        part.fraction * collisions_hz,
        part.error * collisions_hz,
        part.effective,
        curve.threshold(target_hz * (1 + relative) / collisions_hz),
        curve.threshold(target_hz * max(1 - relative, 0.0) / collisions_hz),
    )


def _efficiencies(
    points: Sequence[RatePoint], signal: str, sample: ScoredSample, curve: ScoreCurve
) -> list[Efficiency]:
    pure = sample.pure_curve(points[0].scorer) if points else None
    kept = None if sample.missed is None else float(1 - (sample.weights * sample.missed).sum() / sample.weights.sum())
    found = []
    for point in points:
        part = curve.at(point.threshold)
        spread = abs(curve.at(point.looser).fraction - curve.at(point.tighter).fraction) / 2
        added = None if pure is None else pure.at(point.threshold).fraction
        key = (point.scorer, point.kind, point.target_hz, signal)
        found.append(Efficiency(*key, part.fraction, part.error, spread, added, kept))
    return found


def _separated(scorer: str, signal: str, found: ScoreCurve, background: ScoreCurve) -> Separated:
    area = separation(found, background)
    threshold = background.threshold(FALSE_POSITIVES)
    false: Part = background.at(threshold)
    true = found.at(threshold)
    return Separated(scorer, signal, *area, true.fraction, true.error, false.fraction, false.effective)


def _differences(scorers: Sequence[Scorer], background: ScoredSample) -> list[Difference]:
    exact = {scorer.label: scorer for scorer in scorers if scorer.arithmetic is Arithmetic.FIXED}
    found = []
    for scorer in scorers:
        if scorer.arithmetic is Arithmetic.FIXED or scorer.label not in exact:
            continue
        largest = exact[scorer.label].largest
        integers = np.floor(background.scores[scorer.name])
        integers = integers if largest is None else np.clip(integers, 0, largest)
        apart = np.abs(integers - background.scores[exact[scorer.label].name])
        found.append(Difference(scorer.name, len(apart), int(np.count_nonzero(apart)), int(apart.max(initial=0))))
    return found
