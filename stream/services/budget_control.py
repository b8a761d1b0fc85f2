"""Budgets that act: at the end of a lumi section each controller sets what holds from the next on (`docs/budgets.md`).

A controller is a function of the decision's counts and of its own small state, which is part of every commit, so a run
that is repeated, disturbed or resumed acts in the same way.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from stream.services.budget_kinds import ActionKind, ControlState, MovedBy, RateKind
from stream.services.budget_levers import (
    Column,
    ColumnLever,
    Lever,
    MovedPoint,
    Results,
    Setting,
    ThresholdLever,
)
from stream.services.changes import Change
from stream.services.decision_changes import DecisionChange, DecisionTimeline
from stream.services.scoring import Scoring
from stream.services.snapshot import pack_seen, unpack_seen
from triggers.decision.budgets import Budget
from triggers.decision.counts import Counts
from triggers.decision.rate_control import Judgement, RateController, RateLaw, Seen, Verdict
from triggers.decision.settings import DecisionSettings, simulated_seconds
from triggers.errors import UnknownName
from triggers.menu.model import WorkingPointCondition

MOST_REMEMBERED: Final = 16
"""Actions that `l1chain ctl status` shows; all of them stand in the rows of their lumi sections."""


@dataclass(frozen=True, eq=False)
class BudgetControl:
    """A budget that acts.

    Attributes:
        budget: what it acts for.
        law: the target.
        rate: which rate is held.
        by: what it moves.
        columns: that it chooses from, the loosest first.
        point: that it moves.
    """

    budget: Budget
    law: RateLaw
    rate: RateKind = RateKind.TOTAL
    by: MovedBy = MovedBy.CAP
    columns: tuple[Column, ...] = ()
    point: MovedPoint | None = None

    def lever(self, scoring: Scoring) -> Lever:
        """What it moves, in one combiner."""
        if self.point is not None:
            return ThresholdLever(self.point, scoring)
        return ColumnLever(self.columns, self.budget) if self.columns else Lever()


@dataclass(frozen=True)
class Action:
    """What a controller did, and why.

    Attributes:
        lumi_section: the first that has it.
        action: what it is.
        before, after: the settings.
        rate_hz: that caused it.
        target_hz: to be held.
        seconds: simulated, in which the rate was counted.
    """

    lumi_section: int
    action: ActionKind
    before: Setting | None
    after: Setting | None
    rate_hz: float
    target_hz: float
    seconds: float


@dataclass(frozen=True)
class _Choice:
    """A setting that a controller chose, on which scale, and the first lumi section that has it."""

    setting: Setting
    scale: str
    since: int


class Controller:
    """The controller of one budget.

    Attributes:
        control: what it is to do.
        actions: the last ones.
        n_actions: how many there were, by kind.
        rate_hz: of the last lumi section that was over; None: it had no crossings.
        state: in the present lumi section.
        setting: that holds in it.
    """

    def __init__(self, control: BudgetControl, timeline: DecisionTimeline, scoring: Scoring) -> None:
        self.control, self._timeline = control, timeline
        self.lever = control.lever(scoring)
        self._law = RateController(control.law)
        self._choice: _Choice | None = None
        self._off_since = 0
        self.actions: deque[Action] = deque(maxlen=MOST_REMEMBERED)
        self.n_actions: Counter[str] = Counter()
        self.rate_hz: float | None = None
        self._counted_on = self.lever.scale
        self.state = ControlState.ACTING
        self.setting: Setting | None = None

    @property
    def name(self) -> str:
        """Of its budget."""
        return self.control.budget.name

    def begin(self, lumi_section: int, settings: DecisionSettings) -> DecisionSettings:
        """Let a lumi section have what it has to have; may be asked for again.

        Args:
            lumi_section: that begins, or that a change concerns.
            settings: without this controller.
        """
        self.lever.begin()
        chosen = self._chosen(lumi_section)
        self.setting = self.lever.setting(settings) if chosen is None else chosen
        self.state = self._state_in(lumi_section)
        if self.state is ControlState.OFF:
            settings = replace(settings, masked=settings.masked | self.control.budget.words)
        if isinstance(self.lever, ColumnLever) and self.setting in self.lever.columns:
            column = self.lever.columns[str(self.setting)]
            settings = replace(settings, factors=column.factors, column=column.name)
        return settings

    def end(self, lumi_section: int, settings: DecisionSettings, counts: Counts, kept: tuple[int, int]) -> None:
        """Judge a lumi section that is over, and choose what holds from the next on.

        Args:
            lumi_section: that is over.
            settings: that it had.
            counts: of it.
            kept: crossings of the final OR that the group keeps, and that nothing else keeps.
        """
        passed = self.lever.passed(settings, counts, self.setting)
        self.lever.clear()
        self.rate_hz = None
        if self._choice is not None and self._choice.scale != self.lever.scale:
            self._choice = None  # it does not come back with the version
        if not counts.crossings:
            return
        seconds = simulated_seconds(counts.crossings, settings.colliding_bunches)
        seen = Seen(self._wanted(settings, counts, kept), seconds, passed[:-1], float(passed[-1]))
        self.rate_hz = seen.rate_hz
        if self._counted_on != self.lever.scale or self.state is not ControlState.ACTING:
            self._law.forget()
        self._counted_on = self.lever.scale
        if self.state is ControlState.ACTING:
            options = self.lever.options
            present = options.index(self.setting) if self.setting in options else None
            self._obey(lumi_section + 1, self._law.look(seen, present))

    def _wanted(self, settings: DecisionSettings, counts: Counts, kept: tuple[int, int]) -> float:
        """Crossings that the group would keep without caps: its own, and those of budgets behind it."""
        names = [budget.name for budget in settings.budgets]
        wanted = float(counts.wanted[names.index(self.name)])
        final, pure = kept
        if self.control.rate is RateKind.TOTAL or not final:
            return wanted
        # What caps suppressed is taken to be pure as often as what they let pass.
        return wanted * pure / final

    def _obey(self, since: int, verdict: Verdict) -> None:
        before, after = self.setting, self.setting
        if verdict.option is not None:
            after = self.lever.options[verdict.option]
            self._choice = _Choice(after, self.lever.scale, since)
        if verdict.judgement is Judgement.FAR_ABOVE:
            self._off_since, kind = since, ActionKind.OFF
        elif verdict.option is None:
            return
        else:
            kind = ActionKind.TIGHTEN if verdict.rate_hz > self.control.law.target_hz else ActionKind.LOOSEN
        action = Action(since, kind, before, after, verdict.rate_hz, self.control.law.target_hz, verdict.seconds)
        self.actions.append(action)
        self.n_actions[kind] += 1

    def row(self, next_lumi_section: int) -> dict[str, Any]:
        """What the row of a lumi section that is over says: its state, setting and rate, and what came of it."""
        last = self.actions[-1] if self.actions else None
        action = asdict(last) if last is not None and last.lumi_section == next_lumi_section else None
        return {"state": self.state, "setting": self.setting, "rate_hz": self.rate_hz, "action": action}

    def summary(self) -> dict[str, Any]:
        """For `l1chain ctl status` and the run record."""
        return {
            "budget": self.name,
            "by": self.control.by,
            "rate": self.control.rate,
            "target_hz": self.control.law.target_hz,
            "state": self.state,
            "setting": self.setting,
            "rate_hz": self.rate_hz,
            "actions": dict(self.n_actions),
            "last_actions": [asdict(action) for action in self.actions],
        }

    def snapshot(self) -> dict[str, Any]:
        """The state as JSON."""
        stretch = self._law.stretch
        return {
            "choice": None if self._choice is None else asdict(self._choice),
            "off_since": self._off_since,
            "actions": [asdict(action) for action in self.actions],
            "n_actions": dict(self.n_actions),
            "rate_hz": self.rate_hz,
            "counted_on": self._counted_on,
            "stretch": None if stretch is None else pack_seen(stretch),
            "lever": self.lever.snapshot(),
        }

    def restore(self, packed: dict[str, Any]) -> None:
        """Go back to what `snapshot` made; `begin` comes after."""
        self._choice = None if packed["choice"] is None else _Choice(**packed["choice"])
        self._off_since = int(packed["off_since"])
        self.actions.clear()
        self.actions.extend(Action(**action | {"action": ActionKind(action["action"])}) for action in packed["actions"])
        self.n_actions = Counter(packed["n_actions"])
        self.rate_hz = packed["rate_hz"]
        self._counted_on = str(packed["counted_on"])
        self._law.stretch = None if packed["stretch"] is None else unpack_seen(packed["stretch"])
        self.lever.restore(packed["lever"])

    def _chosen(self, lumi_section: int) -> Setting | None:
        choice = self._choice
        if choice is None or choice.since > lumi_section or choice.scale != self.lever.scale:
            return None
        override = self._timeline.latest(lumi_section, self._overriding)
        # An operator's command of the same boundary is the later word.
        return choice.setting if override is None or override.lumi_section < choice.since else None

    @property
    def _overriding(self) -> tuple[DecisionChange, ...]:
        """Commands by which an operator takes over what is moved."""
        return (DecisionChange.PRESCALE,) if self.control.by is MovedBy.COLUMN else ()

    def _state_in(self, lumi_section: int) -> ControlState:
        name, latest = self.name, self._timeline.latest
        if self._off_since and self._off_since <= lumi_section:
            released = latest(lumi_section, (DecisionChange.BUDGET_RELEASE,), name)
            if released is None or released.lumi_section < self._off_since:
                return ControlState.OFF
        told = latest(
            lumi_section, (DecisionChange.BUDGET_HOLD, DecisionChange.BUDGET_RELEASE, *self._overriding), name
        )
        if told is not None and told.kind != DecisionChange.BUDGET_RELEASE:
            return ControlState.HELD
        return ControlState.MASKED if self._says_nothing(lumi_section) else ControlState.ACTING

    def _says_nothing(self, lumi_section: int) -> bool:
        """Whether commands mask so much of the group that its rate tells nothing of what is moved."""
        # Not the groups that other controllers switched off: what is left of this one still has to be held.
        masked, words = self._timeline.settings_in(lumi_section).masked, self.control.budget.words
        if self.control.point is not None:
            return bool((words & masked & ~self._timeline.masked_at_first).any())
        return not (words & ~masked).any()


class BudgetControllers:
    """The controllers of a run, in the order of its budgets.

    Args:
        controls: what they are to do.
        timeline: the changes of the decision that operators ask for.
        scoring: the model versions.
    """

    def __init__(self, controls: Sequence[BudgetControl], timeline: DecisionTimeline, scoring: Scoring) -> None:
        self.controllers = tuple(Controller(control, timeline, scoring) for control in controls)
        self._timeline = timeline

    def begin(self, lumi_section: int) -> DecisionSettings:
        """What a lumi section is decided by; may be asked for again, when a change concerns it."""
        settings = self._timeline.settings_in(lumi_section)
        for controller in self.controllers:
            settings = controller.begin(lumi_section, settings)
        return settings

    @property
    def thresholds(self) -> dict[WorkingPointCondition, int]:
        """Of the working points that controllers move, in the present lumi section."""
        points = ((c.control.point, c.setting) for c in self.controllers)
        return {point.condition: int(setting) for point, setting in points if point and setting is not None}

    def add(self, results: Results) -> None:
        """Count the scores of a batch."""
        for controller in self.controllers:
            controller.lever.add(results)

    def end(
        self, lumi_section: int, settings: DecisionSettings, counts: Counts, kept: Mapping[str, tuple[int, int]]
    ) -> dict[str, Any]:
        """Let each controller act on a lumi section that is over; what its row says of them.

        Args:
            lumi_section: that is over.
            settings: that it had.
            counts: of it.
            kept: crossings of the final OR that each budget's group keeps, and that nothing else keeps.
        """
        for controller in self.controllers:
            controller.end(lumi_section, settings, counts, kept[controller.name])
        return {controller.name: controller.row(lumi_section + 1) for controller in self.controllers}

    def check(self, change: Change) -> None:
        """Check that the controllers can follow a change.

        Raises:
            UnknownName: no such controller, or a model version without a working point that one needs.
            BadValue: a model version between whose working points nothing can move.
        """
        if change.kind in (DecisionChange.BUDGET_HOLD, DecisionChange.BUDGET_RELEASE):
            names = [controller.name for controller in self.controllers]
            if (wanted := change.arguments.get("budget")) not in names:
                raise UnknownName(f"ctl {change.kind}", "budget with a controller", str(wanted), names)
        for controller in self.controllers:
            controller.lever.check(change)

    def summary(self) -> list[dict[str, Any]]:
        """For `l1chain ctl status` and the run record."""
        return [controller.summary() for controller in self.controllers]

    def snapshot(self) -> list[dict[str, Any]]:
        """The state as JSON."""
        return [controller.snapshot() for controller in self.controllers]

    def restore(self, packed: list[dict[str, Any]]) -> None:
        """Go back to what `snapshot` made."""
        for controller, state in zip(self.controllers, packed, strict=True):
            controller.restore(state)
