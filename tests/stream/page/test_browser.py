"""The live page as a browser shows it (docs/page.md)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from models.repository import open_repository
from models.repository_changes import add_version, set_alias
from stream.page.server import PAGE_FILE
from stream.run.finished import read_ended_run
from stream.run.report_page import run_page
from tests.stream.page.browsing import Browser, browser, rate_hz
from tests.stream.run.running import Running, running, settings, write_config
from triggers.decision.settings import simulated_seconds
from triggers.studies.html import rate_text
from triggers.studies.rates import rate_and_error

pytestmark = pytest.mark.heavy
VERSIONS = ("demo-v1", "demo-v2")
DESK, PHONE = 1280, 390
SERVICES = ("producer", "combiner", "seeds.0", "score:axol1tl.0")
BUNCHES, PER_LUMI_SECTION = 1000, 200_000
LARGE = "run.orbits_per_lumi_section=200"
SLOWLY = "run.pace=0.002"
"""Of real time; without a pace the run stands still when it is paused."""
ACTING = (
    "budgets=["
    "{name: anomaly, algorithms: [ad], rate_hz: 20000, control: {target_hz: 20}},"
    "{name: l1, algorithms: ['*'], rate_hz: 1000000,"
    " control: {by: column, target_hz: 60000, columns: [unprescaled, physics], emergency_factor: null}}]"
)
"""One that switches its group off, however few crossings get done, and one that takes the tighter column."""


@contextmanager
def watched(tmp_path: Path, *overrides: str) -> Iterator[tuple[Running, dict[str, Any]]]:
    """A run that goes on for ever, and where its page is."""
    config = write_config(tmp_path)
    more = settings("run.lumi_sections=1000000", "metrics.address=127.0.0.1:0", *overrides)
    with running(str(config), *more, "--page", out=tmp_path / "runs") as run:
        run.wait_until_committing()
        run.wait_for(lambda _: (run.folder / PAGE_FILE).exists())
        assert (run.folder / PAGE_FILE).stat().st_mode & 0o777 == 0o600
        yield run, json.loads((run.folder / PAGE_FILE).read_bytes())


@contextmanager
def page_of(folder: Path) -> Iterator[str]:
    """The page of a run that has ended."""
    command = [sys.executable, "-m", "stream.cli", "page", str(folder), "--json", "--until-input-ends"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": os.environ}
    with subprocess.Popen(command, **pipes) as process:
        yield json.loads(process.stdout.readline())["url"]
        process.stdin.close()
        assert process.wait(100) == 0


def two_versions(folder: Path) -> Path:
    """A repository with the demo's version and another one that has its working points, too."""
    repository = open_repository(folder / "models", make=True)
    shipped = open_repository(None).load("axol1tl", "demo-v1")
    for version in VERSIONS:
        add_version(repository, shipped.manifest.model_copy(update={"version": version}), shipped.files)
    set_alias(repository, "axol1tl", "production", VERSIONS[0])
    return folder / "models"


def pause(run: Running) -> int:
    """Pause a run; the number of lumi sections that are over when it stands still."""
    over = run.ask("pause")["lumi_section"] - 1
    run.wait_for(lambda status: status["decided"] == over * PER_LUMI_SECTION)
    return over


def check_lumi_sections(shown: list[list[str]], record: dict[str, Any]) -> None:
    """The page's rows are those of the run record."""
    rows = {row["lumi_section"]: row for row in record["lumi_sections"]}
    for number, column, models, decided, accepted, l1, ad, pure, dead in shown:
        row = rows[int(number)]
        seconds = row["accepted"] / row["accepted_hz"]
        masked = [f"masked: {', '.join(row['masked'][:3])}"] if row["masked"] else []
        assert column == "; ".join([row["prescale_column"], *masked])
        assert models == ", ".join(f"{model}/{version}" for model, version in row["model_versions"].items())
        assert (decided, accepted, dead) == (f"{row['decided']:,}", f"{row['accepted']:,}", "0 %")
        assert row["accepted_hz"] == rate_hz(l1)
        assert row["anomaly_detection"]["final"] / seconds == rate_hz(ad)
        assert row["anomaly_detection"]["pure"] / seconds == rate_hz(pure)


def check_algorithms(shown: list[list[str]], folder: Path) -> None:
    """The page's rates are those of the run's table."""
    rates = {row["algorithm"]: row for row in pq.read_table(folder / "rates.parquet").to_pylist()}
    assert len(shown) >= 50
    for name, _, final, pure, before in shown:
        told = [rates[name][f"{step}_hz"] for step in ("final", "pure", "before_prescale")]
        assert told == [rate_hz(text) for text in (final, pure, before)]
    assert rates[shown[0][0]]["final_hz"] == max(row["final_hz"] or 0 for row in rates.values())


def all_algorithms(page: Browser) -> list[list[str]]:
    page.click("#all-algorithms")
    rows = page.rows("algorithm-table")
    page.click("#all-algorithms")
    return rows


def wait_until_still(page: Browser) -> None:
    """Until the algorithms' rates no longer change: services report their metrics now and then."""
    seen: list[list[list[str]]] = []

    def is_still() -> bool:
        time_shown = page.js("return document.documentElement.dataset.shown")
        page.wait(lambda: page.js("return document.documentElement.dataset.shown") != time_shown)
        seen.append(all_algorithms(page))
        return len(seen) > 4 and seen[-5] == seen[-1]

    page.wait(is_still)


def test_values_agree_with_the_tables_of_the_run(tmp_path: Path) -> None:
    with watched(tmp_path, LARGE, "batch.crossings=8192") as (run, place), browser(DESK) as page:
        page.open(place["url"])
        page.wait(lambda: page.text("#state") == "running" and len(page.rows("lumi-table")) >= 2)
        page.wait(lambda: page.js("return document.querySelectorAll('#crossing option').length"))
        over = pause(run)
        # The last lumi section is told of when the next one begins.
        page.wait(lambda: page.rows("lumi-table")[0][0] == str(over - 1))
        page.wait(lambda: page.text("#tile-decided small") == f"{over * PER_LUMI_SECTION:,} crossings")
        assert page.text("#state") == f"pauses before lumi section {over + 1}"
        wait_until_still(page)
        services = page.rows("service-table")
        assert [row[:2] for row in services] == [[name, "runs"] for name in SERVICES]
        page.click("#hold")
        chosen = page.element("#crossing").get_property("value")
        kept_by, scored = page.js("return [...document.querySelectorAll('#why ul')].map((list) => list.innerText)")[:2]
        lumi_sections, algorithms = page.rows("lumi-table"), all_algorithms(page)
        assert page.complaints() == []
        run.ask("stop", at=over + 1)
        result = run.end()
    folder = Path(result["run_dir"])
    assert len(result["lumi_sections"]) == over
    assert not (folder / PAGE_FILE).exists()
    check_lumi_sections(lumi_sections, result)
    check_algorithms(algorithms, folder)
    accepted = pq.read_table(folder / "accepted.parquet").to_pylist()
    (row,) = [row for row in accepted if f"{row['run_lumi_section']}/{row['crossing']}" == chosen]
    assert scored == f"axol1tl/{row['version_axol1tl']}: {row['score_axol1tl']:,}"
    assert len(kept_by.splitlines()) == sum(word.bit_count() for word in row["final"])

    with page_of(folder) as url, browser(DESK) as page:
        page.open(url)
        assert page.text("#state") == "ended"
        shown = page.rows("lumi-table")
        assert shown[1:] == lumi_sections[: len(shown) - 1]
        check_lumi_sections(shown, result)
        check_algorithms(all_algorithms(page), folder)
        last = result["lumi_sections"][-1]
        seconds = last["decided"] / result["decided"] * result["simulated_seconds"]
        ((budget, kept, suppressed, allowed, _),) = page.rows("budgets")
        assert (budget, allowed) == ("anomaly", "2 kHz")
        assert last["budgets"]["anomaly"]["final"] / seconds == rate_hz(kept)
        assert last["suppressed"]["anomaly"] / seconds == rate_hz(suppressed)
        assert page.complaints() == []


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_commands_need_the_token(tmp_path: Path, width: int) -> None:
    models = f"models.repository={two_versions(tmp_path)}"
    with watched(tmp_path, SLOWLY, models) as (run, place), browser(width) as page:
        page.open(place["url"])
        page.wait(lambda: page.js("return document.getElementById('version').options.length > 1"))
        page.choose("#version", "demo-v2")
        page.click("[data-command=swap]")
        assert "need the token" in page.text("#answer")
        page.element("#token").send_keys("wrong")
        page.click("[data-command=swap]")
        page.wait(lambda: page.text("#answer").startswith("Refused: command from the page: the token is not"))
        assert not run.ask("status")["changes"]
        assert not (run.folder / "audit.jsonl").exists()
        page.complaints()  # the browser tells of the refusal itself

        page.driver.get(f"{place['url']}#token={place['token']}")
        page.wait(lambda: page.js("return document.getElementById('token').value") == place["token"])
        assert page.js("return window.location.hash") == ""
        page.click("[data-command=swap]")
        page.wait(lambda: page.text("#answer").startswith("axol1tl/demo-v2 decides from lumi section "))
        page.wait(lambda: any(row[2] == "axol1tl/demo-v2" for row in page.rows("lumi-table")))
        page.wait(lambda: "axol1tl/demo-v2" in page.text('[data-legend="scores"]'))
        page.choose("#column", "emergency")
        page.click("[data-command=prescale]")
        page.wait(lambda: page.text("#answer").startswith("Prescale column emergency holds from lumi section "))
        page.wait(lambda: any(row[1] == "emergency" for row in page.rows("lumi-table")))
        assert [row[1:] for row in page.rows("changes")] == [["prescale", "emergency"], ["swap", "axol1tl, demo-v2"]]
        assert page.js("return document.documentElement.scrollWidth") <= width
        assert page.complaints() == []
        audit = [json.loads(line) for line in (run.folder / "audit.jsonl").read_text().splitlines()]
        assert [(line["command"], line["ok"]) for line in audit] == [("swap", True), ("prescale", True)]
        assert all(line["who"].startswith("page:") for line in audit)
        run.ask("stop")
        run.end()


def test_light_and_dark_with_the_keyboard(tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    with watched(tmp_path, SLOWLY) as (run, place), browser(DESK, is_dark=True) as page:
        page.open(place["url"])
        assert page.js("return document.documentElement.dataset.look") == "dark"
        dark = page.js("return getComputedStyle(document.body).backgroundColor")
        page.press(Keys.TAB)
        assert page.js("return document.activeElement.className") == "skip"
        page.js("document.getElementById('look').focus()")
        page.press(Keys.ENTER)
        page.wait(lambda: page.js("return document.documentElement.dataset.look") == "light")
        assert page.js("return getComputedStyle(document.body).backgroundColor") != dark
        page.wait(lambda: page.js("return document.querySelectorAll('.plot .bk-Figure').length") == 7)
        reached = set()
        for _ in range(60):
            page.press(Keys.TAB)
            reached.add(page.js("return document.activeElement.id || document.activeElement.dataset.command"))
        assert {"by-scores", "hold", "crossing", "find", "token", "version", "swap", "prescale", "pause"} <= reached
        assert page.complaints() == []
        run.ask("stop")
        run.end()


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_budgets_that_act_are_shown_held_and_released(tmp_path: Path, width: int) -> None:
    def cells(page: Browser, budget: str) -> list[str]:
        (row,) = [row for row in page.rows("acting-table") if row[0] == budget]
        return row

    with (
        watched(tmp_path, LARGE, "run.pace=0.005", "prescales.column=unprescaled", ACTING) as (run, place),
        browser(width) as page,
    ):
        page.open(f"{place['url']}#token={place['token']}")
        page.wait(lambda: [row[1] for row in page.rows("acting-table")] == ["switched off", "acts"])
        page.wait(lambda: cells(page, "l1")[6].startswith("tighten unprescaled → physics from lumi section "))
        assert cells(page, "l1")[2:4] == ["total rate, by column", "60 kHz"]
        assert cells(page, "l1")[5] == "physics"
        assert cells(page, "anomaly")[2:4] == ["total rate, by its cap", "20 Hz"]
        assert cells(page, "anomaly")[6].startswith("off from lumi section ")
        assert page.text("#tile-off-anomaly dd").startswith("switched off")
        page.choose("#budget", "l1")
        page.click("[data-command=budget-hold]")
        page.wait(lambda: page.text("#answer").startswith("The controller of l1 does nothing from lumi section "))
        page.wait(lambda: cells(page, "l1")[1] == "held by an operator")
        page.click("[data-command=budget-release]")
        page.wait(lambda: page.text("#answer").startswith("The controller of l1 acts from lumi section "))
        page.wait(lambda: cells(page, "l1")[1] == "acts")
        assert [row[1:] for row in page.rows("changes")] == [["budget-release", "l1"], ["budget-hold", "l1"]]
        assert page.js("return document.documentElement.scrollWidth") <= width
        assert page.complaints() == []
        run.ask("stop")
        result = run.end()
    with page_of(Path(result["run_dir"])) as url, browser(width) as page:
        page.open(url)
        last = {budget["budget"]: budget for budget in result["budget_control"]}
        for name in ("anomaly", "l1"):
            shown = cells(page, name)
            assert last[name]["rate_hz"] == rate_hz(shown[4])
            action = last[name]["last_actions"][-1]
            assert f" from lumi section {action['lumi_section']}, at " in shown[6]
            assert action["rate_hz"] == rate_hz(shown[6].rpartition(", at ")[2])
        assert page.js("return document.getElementById('control-form').hidden")
        assert page.complaints() == []


def test_with_dead_time_page_and_report_tell_what_budgets_keep_per_second_of_beam(tmp_path: Path) -> None:
    config, limit_hz = write_config(tmp_path), 500
    faster_than_the_source = (LARGE, "run.pace=1", "run.lumi_sections=60")
    everything = f"budgets=[{{name: l1, algorithms: ['*'], rate_hz: {limit_hz}}}]"
    with running(str(config), *settings(everything, *faster_than_the_source), out=tmp_path / "runs") as run:
        result = run.end()
    assert sum(result["dead"].values()) > 0
    rows = {row["lumi_section"]: row for row in result["lumi_sections"] if row["decided"]}
    with page_of(Path(result["run_dir"])) as url, browser(DESK) as page:
        page.open(url)
        ((_, kept, suppressed, allowed, _),) = page.rows("budgets")
        row = rows[int(page.rows("lumi-table")[0][0])]
        assert not page.js("return document.getElementById('beam-second').hidden")
    beam_s = simulated_seconds(row["decided"] + sum(row["dead"].values()), BUNCHES)
    assert allowed == f"{limit_hz} Hz"
    assert row["budgets"]["l1"]["final"] / beam_s == rate_hz(kept)
    assert row["suppressed"]["l1"] / beam_s == rate_hz(suppressed)

    kept_in_all, beam_s = result["budgets"]["l1"]["final"], simulated_seconds(result["produced"], BUNCHES)
    assert 0 < kept_in_all <= limit_hz * beam_s
    report = run_page(read_ended_run(Path(result["run_dir"])))
    assert f">{rate_text(*rate_and_error(kept_in_all, beam_s))}<" in report
