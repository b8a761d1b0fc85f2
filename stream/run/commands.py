"""The commands of a run: pause, resume, stop, status, prescale, mask, unmask, budgets, cut (`docs/run-control.md`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, Protocol

from pydantic import Field

from stream.run.agreement import Agreements
from stream.run.assembly import COMBINER, PRODUCER
from stream.run.control import Command, Control, Settle
from stream.services.changes import Change
from stream.services.decision_changes import DecisionChange
from stream.wire.messages import Kind
from triggers.errors import BadValue, L1ChainError, UnknownName
from triggers.strict_yaml import StrictModel

NEXT: Final = "next"
LONGEST_CUT_S: Final = 60.0

At = Annotated[int, Field(ge=1)] | Literal["next"]


class NoArguments(StrictModel):
    """Of a command that takes none."""


class Boundary(StrictModel):
    """A lumi-section boundary.

    Attributes:
        at: the first lumi section concerned; `next`: the first that has not begun.
    """

    at: At = NEXT


class StopArguments(StrictModel):
    """When to stop: at once, or before a lumi section."""

    at: At | None = None


class PrescaleArguments(Boundary):
    """A prescale column of the run's table."""

    column: str


class MaskArguments(Boundary):
    """An algorithm or a group of the menu."""

    algorithm: str


class BudgetArguments(Boundary):
    """A budget with a controller."""

    budget: str


class CutArguments(StrictModel):
    """A stage replica or the combiner, and for how long its connections are cut."""

    service: str
    seconds: Annotated[float, Field(gt=0, le=LONGEST_CUT_S)]


class Conductor(Protocol):
    """What commands need of the supervisor."""

    agreements: Agreements

    @property
    def service_names(self) -> tuple[str, ...]:
        """Every service of the run."""
        ...

    def drain(self) -> None:
        """Let the producer make no further batch."""
        ...

    def status(self) -> dict[str, Any]:
        """How the run is."""
        ...

    def metrics(self) -> str:
        """The metrics of all services, in the Prometheus text format."""
        ...

    @property
    def algorithms(self) -> dict[int, str]:
        """The names of the menu's algorithms by index."""
        ...

    def tell(self, name: str, kind: Kind, payload: dict[str, Any]) -> None:
        """Send a message to a service."""
        ...

    def end_before(self, lumi_section: int) -> None:
        """The run ends before that lumi section, whatever is replaced until then."""
        ...


def register_commands(control: Control, conductor: Conductor) -> None:
    """Offer the commands of a run."""
    commands = Commands(conductor)
    control.register(Command("status", NoArguments, commands.status, is_question=True))
    control.register(Command("algorithms", NoArguments, commands.algorithms, is_question=True))
    control.register(Command("metrics", NoArguments, commands.metrics, is_question=True))
    control.register(Command("pause", Boundary, commands.pause))
    control.register(Command("resume", NoArguments, commands.resume))
    control.register(Command("stop", StopArguments, commands.stop))
    control.register(Command("cut", CutArguments, commands.cut))
    register_change(control, conductor, DecisionChange.PRESCALE, PrescaleArguments, (COMBINER,))
    register_change(control, conductor, DecisionChange.MASK, MaskArguments, (COMBINER,))
    register_change(control, conductor, DecisionChange.UNMASK, MaskArguments, (COMBINER,))
    register_change(control, conductor, DecisionChange.EMERGENCY_OFF, Boundary, (COMBINER,))
    register_change(control, conductor, DecisionChange.BUDGET_HOLD, BudgetArguments, (COMBINER,))
    register_change(control, conductor, DecisionChange.BUDGET_RELEASE, BudgetArguments, (COMBINER,))


def register_change(
    control: Control, conductor: Conductor, kind: str, arguments: type[Boundary], targets: tuple[str, ...]
) -> None:
    """Offer a change at a lumi-section boundary as a command.

    Args:
        control: where it is offered.
        conductor: the supervisor.
        kind: of the change, which is the command's name.
        arguments: of the command; all but `at` become the change's.
        targets: services whose `prepare` and `change` handle changes of that kind.
    """

    def run(request: str, found: Boundary, settle: Settle) -> None:
        change = Change(request, str(kind), found.model_dump(exclude={"at"}))
        conductor.agreements.begin(change, targets, boundary(found.at), _lumi_section_of(settle))

    control.register(Command(str(kind), arguments, run))


def boundary(at: At | None) -> int | None:
    """The lumi section that is asked for; None: the next."""
    return at if isinstance(at, int) else None


def _lumi_section_of(settle: Settle) -> Callable[[Change | L1ChainError], None]:
    def answer(outcome: Change | L1ChainError) -> None:
        settle(outcome if isinstance(outcome, L1ChainError) else {"lumi_section": outcome.lumi_section})

    return answer


class Commands:
    """What the commands do that are no change of the decision."""

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor

    def status(self, _: str, __: NoArguments, settle: Settle) -> None:
        """How the run is."""
        settle(self._conductor.status())

    def algorithms(self, _: str, __: NoArguments, settle: Settle) -> None:
        """The names of the menu's algorithms by index, for those who watch from another host."""
        settle({"algorithms": {str(index): name for index, name in self._conductor.algorithms.items()}})

    def metrics(self, _: str, __: NoArguments, settle: Settle) -> None:
        """The metrics of the run, for those who have no way to `metrics.address`."""
        settle({"text": self._conductor.metrics()})

    def pause(self, request: str, found: Boundary, settle: Settle) -> None:
        """Make no batch of a lumi section and those after it, until `resume`."""
        change = Change(request, "pause", {})
        agreements = self._conductor.agreements
        agreements.begin(change, (), boundary(found.at), _lumi_section_of(settle), hold=True)

    def resume(self, _: str, __: NoArguments, settle: Settle) -> None:
        """End all pauses."""
        agreements = self._conductor.agreements
        if not agreements.held:
            raise BadValue("resume", "the run is not paused", "see `l1chain ctl status`")
        lumi_section = min(agreements.held.values())
        for change in agreements.held:
            agreements.release(change)
        settle({"lumi_section": lumi_section})

    def stop(self, request: str, found: StopArguments, settle: Settle) -> None:
        """End the run, with everything that was produced decided and written."""
        if found.at is None:
            for held in self._conductor.agreements.held:
                self._conductor.agreements.release(held)
            self._conductor.drain()
            settle({})
            return

        def end(outcome: Change | L1ChainError) -> None:
            if isinstance(outcome, Change):
                self._conductor.end_before(outcome.lumi_section)
                self._conductor.agreements.release(request, stop=True)
            _lumi_section_of(settle)(outcome)

        change = Change(request, "stop", {})
        self._conductor.agreements.begin(change, (), boundary(found.at), end, hold=True)

    def cut(self, _: str, found: CutArguments, settle: Settle) -> None:
        """Cut a service off from those that it connected to for some seconds; for tests and `l1chain chaos`."""
        names = [name for name in self._conductor.service_names if name != PRODUCER]
        if found.service not in names:
            raise UnknownName("cut", "stage replica or combiner", found.service, names)
        self._conductor.tell(found.service, Kind.CUT, {"seconds": found.seconds})
        settle({})
