"""Who may command over MQTT, and what is said (docs/mqtt.md)."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream.mqtt.alarms import StatusAlarms, of_lumi_section
from stream.mqtt.errors import CommandRefused, SecretUnusable
from stream.mqtt.orders import Orders
from stream.mqtt.outbox import Letter, Outbox
from stream.mqtt.payloads import (
    AlarmTold,
    Answer,
    HealthTold,
    LumiSectionTold,
    Order,
    StateTold,
    checked_order,
    signature_of,
)
from stream.mqtt.settings import read_operators
from triggers.errors import L1ChainError

SECRET = b"a secret of enough length"
OPERATORS = {"anna": SECRET}


def order(secret: bytes = SECRET, **changed: Any) -> bytes:
    content = {"id": "1", "who": "anna", "time_s": 1000.0, "command": "pause", "arguments": {}} | changed
    return json.dumps(content | {"signature": signature_of(content, secret)}).encode()


def test_a_signed_order_is_taken() -> None:
    assert checked_order(order(), OPERATORS, 1010.0).command == "pause"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (order(secret=b"another secret, too long"), "not signed by an operator"),
        (order(who="eve"), "not signed by an operator"),
        (order(time_s=0.0), "was signed 1010 s ago"),
        (order(time_s=2000.0), "was signed -990 s ago"),
        (order(way=3), "unknown key 'way'"),
        (order(reply_to="a/#"), "reply_to"),
        (b"{", "no JSON object"),
        (b"[" * 10_000, "no JSON object"),
        (b"\xff", "no JSON object"),
        (b" " * 20_000, "20000 bytes long"),
    ],
)
def test_everything_else_is_refused_with_a_reason(payload: bytes, reason: str) -> None:
    with pytest.raises(CommandRefused, match=reason):
        checked_order(payload, OPERATORS, 1010.0)


def test_a_changed_order_is_not_signed_any_more() -> None:
    content = json.loads(order())
    content["command"] = "stop"
    with pytest.raises(CommandRefused, match="not signed"):
        checked_order(json.dumps(content).encode(), OPERATORS, 1010.0)


def test_the_same_order_again_gets_the_same_answer_and_is_audited_once(tmp_path: Path) -> None:
    orders = Orders(tmp_path, None, OPERATORS, lambda: None)
    first, second = (orders.obey(order(), 1010.0) for _ in range(2))
    assert first == second
    assert not first[1].ok
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [(line["who"], line["command"], line["ok"]) for line in lines] == [("anna", "pause", False)]
    assert SECRET.decode() not in (tmp_path / "audit.jsonl").read_text()


def test_only_configurations_of_the_folder_can_be_started(tmp_path: Path) -> None:
    (tmp_path / "demo.yaml").write_text("{}")
    orders = Orders(tmp_path / "runs", tmp_path, OPERATORS, lambda: None)
    for number, name in enumerate(("../demo", "other", None)):
        _, answer = orders.obey(order(id=f"s{number}", command="start", arguments={"configuration": name}), 1010.0)
        assert answer.error is not None
        assert "configuration" in answer.error["what"]
    _, answer = Orders(tmp_path, None, OPERATORS, lambda: None).obey(order(command="start"), 1010.0)
    assert answer.error is not None
    assert "not offered" in answer.error["what"]


def test_a_second_start_is_refused_while_the_first_run_is_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "demo.yaml").write_text("{}")

    class Starting:
        """A run that does not take commands yet."""

        pid, poll = 1, staticmethod(lambda: None)

    monkeypatch.setattr("stream.mqtt.orders.subprocess.Popen", lambda *_, **__: Starting())
    orders = Orders(tmp_path / "runs", tmp_path, OPERATORS, lambda: None)
    answers = [
        orders.obey(order(id=name, command="start", arguments={"configuration": "demo"}), 1010.0)[1]
        for name in ("first", "second")
    ]
    assert [answer.ok for answer in answers] == [True, False]
    assert "starting" in (answers[1].error or {})["what"]


def test_secrets_that_others_can_read_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "operators.yaml"
    path.write_text("operators: {anna: a secret of enough length}")
    path.chmod(0o644)
    with pytest.raises(SecretUnusable, match="others can read it"):
        read_operators(path)
    path.chmod(0o600)
    assert read_operators(path) == OPERATORS
    path.write_text("operators: {anna: short}")
    with pytest.raises(L1ChainError, match="anna"):
        read_operators(path)


def test_a_full_outbox_drops_the_oldest_and_keeps_one_health() -> None:
    async def check() -> None:
        outbox = Outbox(3)
        for n in range(4):
            outbox.put(Letter("lumi_section", b"%d" % n, 1, retain=True))
            outbox.put(Letter("health", b"%d" % n, 0, retain=True))
        sent = []
        for _ in range(3):
            letter = await outbox.first()
            sent.append(letter.payload)
            outbox.sent(letter)
        assert sent == [b"2", b"3", b"3"]
        assert outbox.dropped == 2

    asyncio.run(check())


def test_alarms_tell_rate_dead_time_and_budgets() -> None:
    row = {"lumi_section": 3, "accepted_hz": 120e3, "dead": {"late": 5}, "suppressed": {"ad": 2, "muons": 0}}
    assert [name for name, _ in of_lumi_section(row, 100e3)] == ["l1_rate", "dead_time", "budget"]
    assert [name for name, _ in of_lumi_section(row, 150e3)] == ["dead_time", "budget"]
    action = {"action": "off", "rate_hz": 5e4}
    off = {**row, "accepted_hz": 0.0, "dead": {}, "suppressed": {}, "budget_control": {"ad": {"action": action}}}
    assert list(of_lumi_section(off, 100e3)) == [
        ("budget_off", "lumi section 3: budget 'ad' switches its group off at 50,000 Hz")
    ]
    assert not list(of_lumi_section({**off, "budget_control": {"ad": {"action": None}}}, 100e3))


def test_alarms_of_a_status_tell_of_its_problem_and_of_replaced_services_once() -> None:
    alarms = StatusAlarms()

    def told(run: str, problem: str | None, **incarnations: int) -> list[str]:
        services = {name: {"incarnation": incarnation} for name, incarnation in incarnations.items()}
        return [name for name, _ in alarms.of_status({"run": run, "problem": problem, "services": services})]

    assert told("a", None, seeds=1, combiner=2) == []
    assert told("a", "disk full", seeds=3, combiner=2) == ["problem", "restart"]
    assert told("a", "disk full", seeds=3, combiner=2, joined=4) == []
    assert told("b", None, seeds=5, combiner=6) == []


def test_the_asyncapi_file_has_the_schemas_of_the_code() -> None:
    path = Path(__file__).parents[3] / "docs" / "mqtt-asyncapi.yaml"
    schemas = yaml.safe_load(path.read_text())["components"]["schemas"]
    for model in (StateTold, HealthTold, LumiSectionTold, AlarmTold, Order, Answer):
        written = schemas[model.__name__]
        made = model.model_json_schema(mode="validation")
        assert set(written["properties"]) == set(made["properties"]), model.__name__
        assert set(written.get("required", [])) == set(made.get("required", [])), model.__name__


def test_time_is_what_clocks_say() -> None:
    assert checked_order(order(time_s=time.time()), OPERATORS, time.time()).id == "1"
