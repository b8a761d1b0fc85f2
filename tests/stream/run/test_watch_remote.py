"""Watching a run from another host, with a key that may only read (docs/security.md, "Rights")."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stream.run.config import load_config
from stream.run.control_client import Client
from stream.run.watch import AcceptedLine, LumiSectionLine, follow_run
from tests.ports import free_port
from tests.stream.run.running import running, settings, write_config
from triggers.errors import BadValue, L1ChainError

WATCHED_SECTIONS = 3


@pytest.mark.heavy
def test_a_watcher_on_another_host_sees_decisions_and_may_do_nothing_else(tmp_path: Path, keys: Path) -> None:
    config, commands = write_config(tmp_path), f"127.0.0.1:{free_port()}"
    overrides = (
        "transport=ipc",
        "run.lumi_sections=1000000",
        f"security.keys={keys}",
        f"security.commands={commands}",
        f"security.watch=127.0.0.1:{free_port()}",
    )
    with running(str(config), *settings(*overrides), out=tmp_path / "runs") as run:
        run.wait_until_committing()
        watcher = Client.remote(commands, keys, "watcher")
        with pytest.raises(L1ChainError, match="has no right to control"):
            watcher.ask("pause")
        seen: list[AcceptedLine] = []
        sections: list[int] = []
        stopped = False
        for line in follow_run(watcher, with_accepted=True):
            if isinstance(line, LumiSectionLine):
                sections.append(line.row["lumi_section"])
            else:
                seen.append(line)
            if not stopped and len(sections) >= WATCHED_SECTIONS and seen:
                Client.remote(commands, keys, "operator").ask("stop")
                stopped = True
        result = run.end()
    assert sections[:WATCHED_SECTIONS] == list(range(sections[0], sections[0] + WATCHED_SECTIONS))
    accepted = pq.read_table(Path(result["run_dir"]) / "accepted.parquet", columns=["run_lumi_section", "crossing"])
    places = set(zip(*(column.to_pylist() for column in accepted.columns), strict=True))
    assert seen
    assert {(line.lumi_section, line.crossing) for line in seen} <= places
    assert all(name.startswith("L1_") for line in seen for name in line.algorithms)


def test_watchers_ask_first_so_commands_have_to_be_open_too(tmp_path: Path, keys: Path) -> None:
    overrides = (f"security.keys={keys}", "security.watch=127.0.0.1:5573")
    with pytest.raises(L1ChainError, match="set commands, too"):
        load_config(write_config(tmp_path), overrides)


@pytest.mark.heavy
def test_a_run_that_takes_no_watchers_says_so(tmp_path: Path, keys: Path) -> None:
    config, commands = write_config(tmp_path), f"127.0.0.1:{free_port()}"
    overrides = settings("run.lumi_sections=1000000", f"security.keys={keys}", f"security.commands={commands}")
    with running(str(config), *overrides, out=tmp_path / "runs") as run:
        run.wait_until_committing()
        with pytest.raises(BadValue, match="takes no watchers from other hosts"):
            next(follow_run(Client.remote(commands, keys, "watcher"), with_accepted=False))
        run.ask("stop")
        run.end()
