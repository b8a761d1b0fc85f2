"""Replicas on other hosts that want to join a run: what they are told (`docs/protocol.md`, "Joining")."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from stream.run.assembly import Assembly
from stream.run.members import Members
from stream.services import seeds
from stream.services.delivery import Peer
from stream.wire.fields import Fields
from stream.wire.messages import NO_RUN, Header, Kind, pack_json
from triggers.errors import BadValue, L1ChainError, UnknownName

MOST_EXTERNAL: Final = 256
_WHERE: Final = "supervisor"


class Recruiter:
    """Answers JOIN, each joiner once.

    Args:
        assembly: the run's parts.
        run: its number.
        members: the services, to which a joiner is added.
    """

    def __init__(self, assembly: Assembly, run: int, members: Members) -> None:
        self._assembly, self._run, self._members = assembly, run, members
        self._answers: OrderedDict[bytes, list[bytes]] = OrderedDict()

    @property
    def stages(self) -> dict[str, bool]:
        """Whether replicas may join, by stage."""
        config = self._assembly.config
        return {seeds.STAGE: config.seeds.external} | {
            stage.stage: stage.section.external for stage in self._assembly.score_stages
        }

    def waiting(self) -> Iterator[str]:
        """Stages that have no replica yet."""
        there = {member.peer.name.rpartition(".")[0] for member in self._members}
        return (stage for stage in self.stages if stage not in there)

    def answer(self, sender: bytes, payload: dict[str, Any]) -> tuple[list[bytes], Peer | None]:
        """The answer to a JOIN, and who is new by it; a JOIN that comes again gets the same answer.

        Raises:
            ProtocolError: a JOIN that is none.
        """
        if sender in self._answers:
            return self._answers[sender], None
        fields = Fields(payload, _WHERE)
        stage, its_version = fields.text("stage"), fields.text("l1chain")
        joined = None
        try:
            self._check(stage, its_version)
            joined = self._members.adopt(stage).peer
            told = self._order | {"service": joined.name, "incarnation": joined.incarnation}
        except L1ChainError as error:
            told = {"error": error.parts}
        answer = [Header(Kind.WELCOME, NO_RUN).pack(), pack_json(told)]
        if joined is not None:
            answer.append(self._menu.read_bytes())
        self._answers[sender] = answer
        if len(self._answers) > MOST_EXTERNAL:
            self._answers.popitem(last=False)
        return answer, joined

    def _check(self, stage: str, its_version: str) -> None:
        own = version("l1chain")
        if its_version != own:
            raise BadValue("join", f"this is l1chain {its_version}, the run has {own}", "install the same version")
        if stage not in self.stages:
            raise UnknownName("--stage", "stage", stage, self.stages)
        if not self.stages[stage]:
            key = "seeds.external" if stage == seeds.STAGE else "scores[].external"
            raise BadValue("--stage", f"the run lets nobody join {stage}", f"set {key}: true in its configuration")
        if sum(member.is_external for member in self._members) >= MOST_EXTERNAL:
            raise BadValue("join", f"the run has {MOST_EXTERNAL} replicas on other hosts", "start no more")

    @property
    def _menu(self) -> Path:
        return Path(self._assembly.config.menu.path)

    @cached_property
    def _order(self) -> dict[str, Any]:
        """What every joiner is told; no secrets, and paths only of this host."""
        assembly = self._assembly
        return {
            "run": self._run,
            "config": assembly.pinned.model_dump(mode="json"),
            "menu": {"name": self._menu.name, "digest": assembly.menu.digest},
            "models": {v.label: v.digest for stage in assembly.score_stages for v in stage.versions},
        }
