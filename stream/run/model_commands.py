"""The commands that change model versions: swap, rollback, promote, shadow (`docs/run-control.md`, "Models")."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final

from pydantic import Field

from stream.run.assembly import COMBINER, PRODUCER, Assembly, ScoreStage
from stream.run.commands import Boundary, Conductor, NoArguments, boundary
from stream.run.control import Command, Control, Settle
from stream.run.versions import run_version
from stream.services.changes import Change
from stream.services.model_changes import ModelChange, ModelTimeline, RunVersion, Serving
from triggers.errors import BadValue, L1ChainError, UnknownName

_SHADOW_FRACTION: Final = 0.1
_LEAD_S: Final = 0.5
"""Enough for all replicas to agree before the producer comes to the boundary."""


class ModelArguments(Boundary):
    """A model of the run."""

    name: str


class SwapArguments(ModelArguments):
    """A version that is to decide, and what runs it; None: what runs the present one."""

    version: str
    backend: str | None = None


class ShadowArguments(ModelArguments):
    """A candidate, and the part of the crossings that it scores."""

    version: str
    backend: str | None = None
    fraction: Annotated[float, Field(gt=0, le=1)] = _SHADOW_FRACTION


def register_model_commands(
    control: Control, conductor: Conductor, assembly: Assembly, told: Callable[[], list[dict[str, Any]]]
) -> None:
    """Offer the commands.

    Args:
        control: where they are offered.
        conductor: the supervisor.
        assembly: of the run.
        told: the models as the combiner last told of them.
    """
    commands = ModelCommands(conductor, assembly)
    control.register(Command("swap", SwapArguments, commands.swap))
    control.register(Command("rollback", ModelArguments, commands.rollback))
    control.register(Command("promote", ModelArguments, commands.promote))
    control.register(Command("shadow_start", ShadowArguments, commands.start_shadow))
    control.register(Command("shadow_stop", ModelArguments, commands.stop_shadow))

    def models(_: str, __: NoArguments, settle: Settle) -> None:
        settle({"models": told()})

    control.register(Command("models", NoArguments, models, is_question=True))


class ModelCommands:
    """Finds the version that a command means, and begins to agree on its change."""

    def __init__(self, conductor: Conductor, assembly: Assembly) -> None:
        self._conductor, self._assembly = conductor, assembly

    def swap(self, request: str, found: SwapArguments, settle: Settle) -> None:
        """Let another version decide."""
        stage, serving = self._present(found.name)
        version = self._version(stage, found.version, found.backend or serving.production.backend)
        self._begin_swap(request, stage, version, found, settle)

    def rollback(self, request: str, found: ModelArguments, settle: Settle) -> None:
        """Let the version decide that did before the last swap."""
        stage, serving = self._present(found.name)
        before = [s.production for s in self._timeline(stage).servings if s.production != serving.production]
        if not before:
            raise BadValue("rollback", f"{found.name} has had one version only", "swap in another one")
        self._begin_swap(request, stage, before[-1], found, settle)

    def promote(self, request: str, found: ModelArguments, settle: Settle) -> None:
        """Let the candidate decide."""
        stage, serving = self._present(found.name)
        if serving.shadow is None:
            raise BadValue("promote", f"{found.name} has no candidate", "start one with `l1chain ctl shadow start`")
        self._begin_swap(request, stage, serving.shadow, found, settle)

    def start_shadow(self, request: str, found: ShadowArguments, settle: Settle) -> None:
        """Let a candidate score some crossings beside the version that decides."""
        stage, serving = self._present(found.name)
        version = self._version(stage, found.version, found.backend or serving.production.backend)
        if version.label == serving.production.label:
            raise BadValue("shadow", f"{version.label} is in production", "name another version")
        arguments = {"version": version.as_json(), "fraction": found.fraction}
        answer = {"model": found.name, "version": version.version, "fraction": found.fraction}
        self._begin(
            Change(request, ModelChange.SHADOW, {"model": found.name} | arguments), stage, found, answer, settle
        )

    def stop_shadow(self, request: str, found: ModelArguments, settle: Settle) -> None:
        """Let the candidate score no more."""
        stage, serving = self._present(found.name)
        if serving.shadow is None:
            raise BadValue("shadow", f"{found.name} has no candidate", "start one with `l1chain ctl shadow start`")
        change = Change(request, ModelChange.SHADOW, {"model": found.name, "version": None})
        answer = {"model": found.name, "version": serving.shadow.version}
        self._begin(change, stage, found, answer, settle)

    def _begin_swap(
        self, request: str, stage: ScoreStage, version: RunVersion, found: ModelArguments, settle: Settle
    ) -> None:
        previous = self._timeline(stage).latest.production
        if version.label == previous.label and version.backend == previous.backend:
            raise BadValue("swap", f"{version.label} is in production", "name another version")
        change = Change(request, ModelChange.SWAP, {"model": found.name, "version": version.as_json()})
        answer = {"model": found.name, "version": version.version, "previous": previous.version}
        self._begin(change, stage, found, answer, settle)

    def _begin(
        self, change: Change, stage: ScoreStage, found: ModelArguments, answer: dict[str, Any], settle: Settle
    ) -> None:
        def tell(outcome: Change | L1ChainError) -> None:
            settle(outcome if isinstance(outcome, L1ChainError) else answer | {"lumi_section": outcome.lumi_section})

        targets = (PRODUCER, COMBINER, *self._replicas(stage))
        self._conductor.agreements.begin(change, targets, boundary(found.at), tell, lead_s=_LEAD_S)

    def _replicas(self, stage: ScoreStage) -> Iterator[str]:
        return (name for name in self._conductor.service_names if name.rpartition(".")[0] == stage.stage)

    def _present(self, model: str) -> tuple[ScoreStage, Serving]:
        """The stage of a model, and its versions after all changes that are agreed on.

        Raises:
            UnknownName: the run has no such model.
        """
        stages = {stage.section.name: stage for stage in self._assembly.score_stages}
        if model not in stages:
            raise UnknownName("run", "model", model, stages)
        return stages[model], self._timeline(stages[model]).latest

    def _timeline(self, stage: ScoreStage) -> ModelTimeline:
        timeline = stage.timeline
        timeline.add(self._conductor.agreements.changes)
        return timeline

    def _version(self, stage: ScoreStage, version: str, backend: str) -> RunVersion:
        return run_version(self._assembly.repository.load(stage.section.name, version), backend)
