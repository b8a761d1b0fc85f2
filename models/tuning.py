"""Search for good networks: efficiency against bit operations (`docs/evaluation.md`, "Tuning")."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from pydantic import Field, model_validator

from models.bit_operations import effective_bit_operations
from models.errors import ModelError
from models.evaluation_curves import ScoreCurve
from models.evaluation_networks import InputSample, network_scorer
from triggers.errors import BadValue
from triggers.strict_yaml import StrictModel

if TYPE_CHECKING:
    import optuna

    from models.network import Network
    from models.training.data import TrainingData
    from models.training.settings import TrainingSettings

STORE: Final = "trials.db"
BIT_OPERATIONS: Final = "effective_bit_operations"
EFFICIENCY: Final = "mean_signal_efficiency"
_REFUSED: Final = "refused"


class Range(StrictModel):
    """What a field of a recipe may be.

    Attributes:
        low: least value; with `high`.
        high: greatest value.
        kind: whole numbers or any.
        log: even in the logarithm.
        choices: instead of a range.
    """

    low: float | int | None = None
    high: float | int | None = None
    kind: Literal["int", "float"] = "float"
    log: bool = False
    choices: Annotated[tuple[Any, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _one_of_both(self) -> Range:
        if bool(self.choices) == (self.low is not None and self.high is not None):
            raise ValueError("state 'low' and 'high', or 'choices'")
        return self


class SearchSpace(StrictModel):
    """What is varied.

    Attributes:
        recipe: fields of the recipe by name.
        settings: fields of the training's settings by name.
    """

    recipe: dict[str, Range] = Field(default_factory=dict)
    settings: dict[str, Range] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _something_varies(self) -> SearchSpace:
        if not (self.recipe or self.settings):
            raise ValueError("state what is varied, in 'recipe' or 'settings'")
        return self


@dataclass(frozen=True)
class Trial:
    """One network that was tried.

    Attributes:
        number: from 0.
        efficiency: mean over the signals at the rate that is tuned for; None: it was refused.
        bit_operations: effective; None: it was refused.
        parameters: what was varied.
        best: no other trial is better in one and not worse in the other.
        run_id: of the tracked run.
        why_not: why it was refused.
    """

    number: int
    efficiency: float | None
    bit_operations: int | None
    parameters: Mapping[str, Any]
    best: bool
    run_id: str
    why_not: str = ""


@dataclass(frozen=True, eq=False)
class Judge:
    """Efficiency at a rate, of networks that are not versions.

    Attributes:
        background: zero bias.
        signals: by name.
        rate_hz: total rate.
        collisions_hz: of colliding bunches.
    """

    background: InputSample
    signals: Mapping[str, InputSample]
    rate_hz: float
    collisions_hz: float

    def efficiencies(self, network: Network) -> dict[str, float]:
        """By signal, at the least threshold whose rate is not above the wanted one."""
        score = network_scorer(network)
        background = ScoreCurve.of(score(self.background.inputs), self.background.weights)
        threshold = background.threshold(self.rate_hz / self.collisions_hz)
        return {
            name: ScoreCurve.of(score(sample.inputs), sample.weights).at(threshold).fraction
            for name, sample in self.signals.items()
        }


@dataclass(frozen=True, eq=False)
class Task:
    """What is tuned.

    Attributes:
        system: name in the zoo.
        fixed: fields of the recipe that differ from its own and are not varied.
        settings: of every training.
        space: what is varied.
        data: crossings to train on, read once.
        judge: scores networks.
        folder: for the store of trials and the tracked runs.
    """

    system: str
    fixed: Mapping[str, Any]
    settings: TrainingSettings
    space: SearchSpace
    data: TrainingData
    judge: Judge
    folder: Path


def tune(task: Task, trials: int, on_trial: Callable[[Trial], None] = lambda _trial: None) -> tuple[Trial, ...]:
    """Go on with a search until it has so many finished trials; returns all of them.

    The trials are in a sqlite file in the folder; a search that was interrupted goes on where it was.

    Args:
        task: what is tuned; the same folder must mean the same system, data and space.
        trials: finished ones in all.
        on_trial: called after each.

    Raises:
        BadValue: the folder has trials of another task, or a field cannot have a value.
        ExtraMissing: Optuna is not installed.
    """
    study = _study(task)
    while len(_finished(study)) < trials:
        trial = study.ask()
        values, why_not, run_id = _tried(task, trial)
        trial.set_user_attr("run_id", run_id)
        if values is None:
            trial.set_user_attr(_REFUSED, why_not)
            study.tell(trial, [0.0, math.inf])
        else:
            study.tell(trial, list(values))
        on_trial(found_trials(study)[-1])
    return found_trials(study)


def found_trials(study: optuna.Study) -> tuple[Trial, ...]:
    """All finished trials, in order."""
    finished = _finished(study)
    points = [(trial.values[0], trial.values[1]) for trial in finished]
    return tuple(
        Trial(
            trial.number,
            None if _REFUSED in trial.user_attrs else trial.values[0],
            None if _REFUSED in trial.user_attrs else int(trial.values[1]),
            dict(trial.params),
            _REFUSED not in trial.user_attrs and not any(_better(other, point) for other in points),
            trial.user_attrs.get("run_id", ""),
            trial.user_attrs.get(_REFUSED, ""),
        )
        for trial, point in zip(finished, points, strict=True)
    )


def _better(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """At least as efficient and at most as large, and one of the two strictly."""
    return one[0] >= other[0] and one[1] <= other[1] and one != other


def _finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _study(task: Task) -> optuna.Study:
    from models.training.errors import ExtraMissing

    try:
        import optuna
    except ModuleNotFoundError as error:
        raise ExtraMissing("tuning", error.name or "optuna") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    task.folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name=task.system,
        storage=f"sqlite:///{(task.folder / STORE).resolve()}",
        directions=["maximize", "minimize"],
        load_if_exists=True,
    )
    stated = {
        "data_sha256": task.data.digest,
        "space": task.space.model_dump_json(),
        "settings": task.settings.model_dump_json(),
        "fixed": repr(sorted(task.fixed.items())),
        "rate_hz": task.judge.rate_hz,
        "background": task.judge.background.name,
        "signals": ", ".join(f"{name}: {sample.name}" for name, sample in sorted(task.judge.signals.items())),
    }
    for key, value in stated.items():
        if study.user_attrs.get(key, value) != value:
            raise BadValue(task.folder / STORE, f"has trials of another {key}", "name another folder with --out")
        study.set_user_attr(key, value)
    # a search that goes on must not draw the same numbers again
    study.sampler = optuna.samplers.TPESampler(seed=task.settings.seed + len(study.get_trials(deepcopy=False)))
    return study


def _tried(task: Task, trial: optuna.Trial) -> tuple[tuple[float, float] | None, str, str]:
    """Efficiency and bit operations of a trial, or why it was refused; and the id of its tracked run."""
    from models.training.tracking import tracked_run
    from models.training.train import train_on
    from models.zoo import recipe

    varied = {name: _suggested(trial, name, allowed) for name, allowed in task.space.recipe.items()}
    set_to = {name: _suggested(trial, name, allowed) for name, allowed in task.space.settings.items()}
    chosen = recipe(task.system, {**task.fixed, **varied})
    settings = task.settings.model_validate(task.settings.model_dump() | set_to)
    with tracked_run(task.folder, f"{task.system} trial {trial.number}") as run:
        run.parameters({"system": task.system, "data_sha256": task.data.digest, **varied, **set_to})
        try:
            trained = train_on(chosen, task.data, settings, run.epoch)
            found = task.judge.efficiencies(trained.network)
        except ModelError as error:
            run.parameters({_REFUSED: str(error)})
            return None, str(error), run.run_id
        run.results(trained)
        bits = effective_bit_operations(trained.network)
        mean = float(np.mean(list(found.values())))
        run.metrics({EFFICIENCY: mean, BIT_OPERATIONS: bits, **{f"efficiency/{k}": v for k, v in found.items()}})
        return (mean, float(bits)), "", run.run_id


def _suggested(trial: optuna.Trial, name: str, allowed: Range) -> Any:
    if allowed.choices:
        texts = [repr(choice) for choice in allowed.choices]  # Optuna keeps numbers and texts only
        return allowed.choices[texts.index(trial.suggest_categorical(name, texts))]
    if allowed.low is None or allowed.high is None:
        raise BadValue(name, "has no range", "state 'low' and 'high', or 'choices'")
    if allowed.kind == "int":
        return trial.suggest_int(name, int(allowed.low), int(allowed.high), log=allowed.log)
    return trial.suggest_float(name, float(allowed.low), float(allowed.high), log=allowed.log)
