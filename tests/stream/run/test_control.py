"""Commands to a running chain (docs/run-control.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import zmq

from stream.run.agreement import Agreements
from stream.run.control import CONTROL_FILE
from stream.services.changes import Change
from stream.services.delivery import Peer
from stream.services.gates import Gates
from stream.wire.messages import Kind
from tests.stream.run.running import running, settings, tables, write_config
from tests.stream.run.test_delivery import undisturbed
from triggers.errors import L1ChainError


def test_changes_take_effect_at_the_lumi_section_that_the_answer_tells(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with running(str(config), *settings("run.lumi_sections=1000000"), out=tmp_path / "runs") as run:
        run.wait_until_committing()
        folder = run.folder
        assert (folder / CONTROL_FILE).stat().st_mode & 0o777 == 0o600
        paused = run.ask("pause")["lumi_section"]
        run.wait_for(lambda status: status["decided"] == (paused - 1) * 20_000)
        column = run.ask("prescale", column="emergency", at=paused + 2)
        masked = run.ask("mask", algorithm="L1_ZeroBias", at="next")
        with pytest.raises(L1ChainError, match="has begun; the next is"):
            run.ask("mask", algorithm="L1_ZeroBias", at=1)
        with pytest.raises(L1ChainError, match="unknown algorithm or group 'L1_Zero'"):
            run.ask("mask", algorithm="L1_Zero")
        with pytest.raises(L1ChainError, match="unknown prescale column 'none'"):
            run.ask("prescale", column="none")
        with pytest.raises(L1ChainError, match="unknown command 'fly'"):
            run.ask("fly")
        with pytest.raises(L1ChainError, match="unknown key 'speed'"):
            run.ask("pause", speed=3)
        assert run.ask("resume") == {"lumi_section": paused}
        run.ask("unmask", algorithm="L1_ZeroBias", at=paused + 3)
        run.ask("stop", at=paused + 5)
        result = run.end()
    rows = result["lumi_sections"]
    assert column == {"lumi_section": paused + 2}
    assert masked == {"lumi_section": paused}
    assert len(rows) == paused + 4
    assert [row["prescale_column"] for row in rows[paused - 1 :]] == ["physics"] * 2 + ["emergency"] * 3
    assert [bool(row["masked"]) for row in rows] == [paused <= row["lumi_section"] < paused + 3 for row in rows]
    assert rows[: paused - 1] == undisturbed(config, paused - 1)["lumi_sections"]
    audit = [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]
    asked = ["pause", "prescale", "mask", "mask", "mask", "prescale", "fly", "pause", "resume", "unmask", "stop"]
    assert [line["command"] for line in audit] == asked
    assert all(line["who"] and line["time"] for line in audit)
    assert not (folder / CONTROL_FILE).exists()
    assert tables(result)[0].num_rows == result["accepted"]


def test_a_request_that_comes_twice_has_one_effect(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with running(str(config), *settings("run.lumi_sections=1000000"), out=tmp_path / "runs") as run:
        run.wait_until_committing()
        endpoint = json.loads((run.folder / CONTROL_FILE).read_text())["endpoint"]
        with zmq.Context() as context, context.socket(zmq.REQ) as socket:
            socket.linger = 0
            socket.connect(endpoint)
            answers = [ask(socket, {"id": "a", "command": "pause"}) for _ in range(2)]
            assert answers[0] == answers[1]
            assert answers[0]["ok"]
            assert not ask(socket, {"id": "b", "command": "pause", "way": 3})["ok"]
        assert len(run.ask("status")["pauses"]) == 1
        run.ask("stop")
        result = run.end()
        assert len((Path(result["run_dir"]) / "audit.jsonl").read_text().splitlines()) == 2
    assert result["produced"] == result["decided"]


def ask(socket: Any, request: dict[str, Any]) -> dict[str, Any]:
    socket.send(json.dumps(request).encode())
    assert socket.poll(20_000)
    answer: dict[str, Any] = json.loads(socket.recv())
    return answer


class Conductor:
    """Hears what the agreements tell."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Kind]] = []
        self.kept: list[Change] = []
        self.outcomes: list[Change | L1ChainError] = []
        self.peers = {"combiner": Peer("combiner", 2), "producer": Peer("producer", 1)}
        self.agreements = Agreements(
            lambda name, kind, _: self.told.append((name, kind)), self.peers.__getitem__, self.kept.append
        )


def test_a_change_waits_for_all_and_is_stored_before_it_is_told() -> None:
    conductor = Conductor()
    agreements = conductor.agreements
    agreements.begin(Change("c", "prescale", {"column": "x"}), ("combiner",), None, conductor.outcomes.append)
    assert conductor.told == [("combiner", Kind.PREPARE)]
    agreements.hear(Peer("combiner", 2), Kind.PREPARED, {"id": "c"})
    assert conductor.told[-1] == ("producer", Kind.PROPOSE)
    assert conductor.kept == []
    agreements.hear(Peer("producer", 1), Kind.AGREED, {"id": "c", "lumi_section": 4})
    assert [change.lumi_section for change in conductor.kept] == [4]
    assert conductor.told[-1] == ("combiner", Kind.CHANGE)
    assert agreements.gates == {"c": 4}
    # A combiner that was replaced meanwhile has to follow, too.
    conductor.peers["combiner"] = Peer("combiner", 9)
    agreements.hear(Peer("combiner", 2), Kind.CHANGED, {"id": "c"})
    assert conductor.outcomes == []
    agreements.hear(Peer("combiner", 9), Kind.CHANGED, {"id": "c"})
    assert conductor.told[-1] == ("producer", Kind.RELEASE)
    assert agreements.gates == {}
    assert conductor.outcomes == conductor.kept


def test_a_request_that_comes_again_after_a_resumption_is_answered_as_before() -> None:
    """Services hold one change of an id: one agreed on anew would be told, and never take effect."""
    before = Change("c", "prescale", {"column": "x"}, 4)
    told: list[Kind] = []
    outcomes: list[Change | L1ChainError] = []
    agreements = Agreements(lambda _, kind, __: told.append(kind), lambda _: Peer("combiner", 9), print, [before])
    agreements.begin(Change("c", "prescale", {"column": "x"}), ("combiner",), None, outcomes.append)
    assert outcomes == [before]
    assert told == []
    assert agreements.changes == [before]


def test_a_change_that_a_service_cannot_make_is_none() -> None:
    conductor = Conductor()
    conductor.agreements.begin(Change("c", "prescale", {}), ("combiner",), None, conductor.outcomes.append)
    error = {"where": "table", "what": "has no such column", "remedy": "name another"}
    conductor.agreements.hear(Peer("combiner", 2), Kind.PREPARED, {"id": "c", "error": error})
    assert str(conductor.outcomes[0]) == "table: has no such column; name another"
    assert ("producer", Kind.PROPOSE) not in conductor.told


def test_gates_close_only_lumi_sections_that_have_not_begun() -> None:
    gates = Gates()
    assert gates.agree("a", None, current=3) == 4
    assert gates.agree("a", 9, current=5) == 4
    assert gates.agree("b", 5, current=5) is None
    assert gates.agree("b", 7, current=5) == 7
    assert [gates.is_closed(n) for n in (3, 4, 8)] == [False, True, True]
    gates.release("a", is_stop=False)
    assert [gates.is_closed(n) for n in (6, 7)] == [False, True]
    gates.release("b", is_stop=True)
    assert not gates.is_closed(7)
    assert [gates.is_end(n) for n in (6, 7)] == [False, True]
