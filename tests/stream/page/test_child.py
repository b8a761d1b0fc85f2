"""The page beside a run: whatever becomes of it, the run goes on (docs/page.md)."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from stream.page import child as child_module
from stream.page.child import page_child
from stream.run.config import PageSection
from tests.stream.run.conftest import l1chain

PATIENCE_S = 100.0
RECORD: dict[str, Any] = {
    "started": "2026-01-01T00:00:00+00:00",
    "state": "open",
    "config": {
        "run": {"colliding_bunches": 1000},
        "prescales": None,
        "models": {"repository": None},
        "scores": [],
        "budgets": [],
        "metrics": {"l1_rate_limit_hz": 1e5},
    },
    "menu": {"name": "some", "path": "/no/menu.yaml", "digest": "0", "on_scores": []},
    "models": [],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a run whose processes are gone."""
    (tmp_path / "run.json").write_text(json.dumps(RECORD))
    return tmp_path


class Said(list[str]):
    """Sentences that are said by a thread."""

    def first(self) -> str:
        deadline = time.monotonic() + PATIENCE_S
        while not self:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return self[0]


def test_no_page_unless_it_is_wanted(folder: Path) -> None:
    said = Said()
    with page_child(PageSection()) as page:
        page.begin(folder, said.append)
        assert not page.served()
    assert said == []


def test_whoever_asks_whether_it_is_served_waits_until_it_is_or_will_not_be(folder: Path) -> None:
    said = Said()
    with page_child(PageSection(enabled=True)) as page:
        page.begin(folder, said.append)
        assert page.served()
        assert said == [said.first()]
        assert said.first().startswith(f"live page: {page.url} ")
    with page_child(PageSection(enabled=True)) as page:
        page.begin(folder / "nowhere", said.append)
        assert not page.served()
        assert said[1].startswith("no live page: ")


def test_one_sentence_if_bokeh_is_not_installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "find_spec", lambda _: None)
    said = Said()
    with page_child(PageSection(enabled=True)) as page:
        page.begin(folder, said.append)
    assert said == ["live page: the package bokeh is not installed; install it with `pip install bokeh`"]


def test_one_sentence_if_the_address_is_taken(folder: Path) -> None:
    first, second = Said(), Said()
    with page_child(PageSection(enabled=True)) as one:
        one.begin(folder, first.append)
        first.first()
        assert one.url is not None
        taken = one.url.removeprefix("http://").rstrip("/")
        with page_child(PageSection(enabled=True, address=taken)) as other:
            other.begin(folder, second.append)
            assert second.first().startswith(f"no live page: page.address: cannot listen on {taken}")


def test_the_page_is_served_until_the_run_leaves(folder: Path) -> None:
    said = Said()
    with page_child(PageSection(enabled=True)) as page:
        page.begin(folder, said.append)
        assert said.first().startswith("live page: http://127.0.0.1:")
        place = json.loads((folder / "page.json").read_bytes())
        assert (folder / "page.json").stat().st_mode & 0o777 == 0o600
        assert place["token"] in said[0]
        url = place["url"]
        code, html, headers = fetch(url)
        assert code == 200
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert b"http" not in html  # nothing comes from elsewhere
        state = json.loads(fetch(f"{url}state")[1])
        assert (state["state"], state["menu"]) == ("not answering", "some")
        assert fetch(f"{url}state", headers={"Host": "evil.example"})[0] == 403
        assert fetch(f"{url}command", data=b"{}")[0] == 403
        assert fetch(f"{url}../run.json")[0] == 404
        given = {"Authorization": f"Bearer {place['token']}"}
        order = json.dumps({"id": "0" * 8, "command": "pause"}).encode()
        answer = json.loads(fetch(f"{url}command", data=order, headers=given)[1])
        assert answer["error"]["what"] == "no run is running there"
        assert fetch(f"{url}command", data=b" " * 20_000, headers=given)[0] == 400
    assert not (folder / "page.json").exists()


def fetch(url: str, **request: Any) -> tuple[int, bytes, Any]:
    """Status, body and headers of an answer."""
    try:
        with urlopen(Request(url, **request)) as answer:  # noqa: S310 (our own)
            return answer.status, answer.read(), answer.headers
    except HTTPError as error:
        with error:
            return error.code, error.read(), error.headers


def test_bad_input_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    ended = l1chain("page", str(folder), "--address", "8080")
    assert (ended.code, ended.err) == (
        2,
        "error: --address: '8080' is not HOST:PORT; write for example 127.0.0.1:8080\n",
    )
    ended = l1chain("page", str(tmp_path / "none"))
    assert ended.code == 2
    assert ended.err.startswith(f"error: {tmp_path / 'none' / 'run.json'}")
