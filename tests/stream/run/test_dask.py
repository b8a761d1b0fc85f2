"""`l1chain replay --executor dask`: a cluster gives what one process gives (docs/replay.md, "More machines")."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("distributed", reason="the extra [scale] is not installed")

from distributed import Client, LocalCluster

from models.repository import Repository
from stream.run import dask_executor, parts
from stream.run.dask_cluster import Tls, dask_client
from stream.run.dask_executor import DaskExecutor
from stream.run.executors import Executor, ThreadExecutor
from stream.run.replay import RateOptions, Replay
from stream.run.replay_files import summary_of
from stream.run.replay_menus import DecisionOptions, replay_menus
from stream.run.replay_source import Samples
from tests.stream.run.conftest import l1chain
from triggers.errors import L1ChainError
from triggers.events.synthetic import SyntheticSource
from triggers.studies.selection import Selection
from triggers.studies.tables import lumi_section_table, overlap_table, rates_table

N: Final = 60_000
MENU: Final = ("--menu", "shipped:menus/demo.yaml", "--prescales", "shipped:prescales/demo.csv", "--column", "physics")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Synthetic crossings in twelve lumi sections."""
    table = pa.Table.from_batches(SyntheticSource(N, seed=9, pileup=60).batches(20_000))
    section = pa.array((1 + np.arange(N) // 5000).astype(np.uint32))
    path = tmp_path_factory.mktemp("dask") / "sample.parquet"
    pq.write_table(table.set_column(1, table.schema.field("lumi_section"), section), path, row_group_size=5000)
    return path


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Two worker processes on loopback."""
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50) as cluster:
        yield cluster


@pytest.fixture
def client(cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client; parts are single lumi sections."""
    monkeypatch.setattr(dask_executor, "parts_of", lambda files: parts.parts_of(files, least=1))
    with Client(cluster, set_as_default=False) as client:
        yield client


def replayed(executor: Executor, files: list[Path], on_crossings: Any = lambda _: None) -> list[Any]:
    menus = replay_menus(["shipped:menus/demo.yaml"], [(None, None)], DecisionOptions(), {}, None)
    source = Samples([str(file) for file in files])
    result = Replay(menus, Repository(), executor).run(source, Selection(), RateOptions(), (), on_crossings)
    tables = rates_table(result), overlap_table(result), lumi_section_table(result)
    return [*tables, {**summary_of(result), "seconds": 0}]


def test_a_worker_that_is_killed_costs_nothing_but_time(client: Client, sample: Path) -> None:
    pids = list(client.run(os.getpid).values())
    counted = []

    def kill_one(crossings: int) -> None:
        if not counted:
            os.kill(pids[0], signal.SIGKILL)
        counted.append(crossings)

    found = replayed(DaskExecutor(client, None), [sample], kill_one)
    assert counted == [5000] * 12
    assert pids[0] not in client.run(os.getpid).values()
    for one, two in zip(found, replayed(ThreadExecutor(1), [sample]), strict=True):
        assert one == two


def test_only_so_many_parts_are_with_the_cluster_at_a_time(client: Client, sample: Path) -> None:
    held: list[int] = []

    def count(_: int) -> None:
        held.append(len(client.futures))

    replayed(DaskExecutor(client, None), [sample], count)
    assert 1 < max(held) <= dask_executor.AHEAD * 2 + 1


def test_what_a_worker_cannot_read_is_one_sentence(client: Client, sample: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.parquet"
    content = bytearray(sample.read_bytes())
    at = len(content) // 2
    content[at : at + 1000] = bytes(1000)
    damaged.write_bytes(content)
    with pytest.raises(L1ChainError, match="damaged.parquet: is no readable Parquet file"):
        replayed(DaskExecutor(client, None), [damaged])


def test_a_worker_with_another_version_of_a_model_refuses(
    client: Client, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "models"
    empty.mkdir()
    with pytest.raises(L1ChainError, match="a worker has no axol1tl"):
        replayed(DaskExecutor(client, empty), [sample])


def test_the_command_uses_a_cluster_that_is_there(cluster: LocalCluster, sample: Path, tmp_path: Path) -> None:
    address = cluster.scheduler_address.replace("tcp://", "dask://")
    names = ("local", address)
    results = []
    for k, name in enumerate(names):
        ended = l1chain("replay", str(sample), *MENU, "--executor", name, "--out", str(tmp_path / str(k)), "--json")
        assert ended.code == 0, ended.err
        results.append({**ended.result, "seconds": 0, "out": ""})
    assert results[0] == results[1]
    assert json.loads((tmp_path / "1" / "replay.json").read_text())["crossings"] == N


@pytest.mark.parametrize(
    ("executor", "message"),
    [
        ("spark", "'spark' is no executor; write local, dask, or dask://HOST:PORT"),
        ("dask://10.9.8.7:8786", "10.9.8.7:8786 is another host, and there are no certificates"),
        ("dask://127.0.0.1:1", "no dask scheduler answers at tcp://127.0.0.1:1"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_one_sentence(executor: str, message: str) -> None:
    with pytest.raises(L1ChainError, match=re.escape(message)):
        stack_of(executor).close()


def stack_of(executor: str) -> ExitStack:
    stack = ExitStack()
    stack.enter_context(dask_client(executor, None, is_network_trusted=False, workers=None))
    return stack


def test_certificates_are_three_files() -> None:
    with pytest.raises(L1ChainError, match=re.escape("'ca.pem' are no three files; write CA,CERT,KEY")):
        Tls.parse("ca.pem")
    with pytest.raises(L1ChainError, match="no such certificate or key"):
        Tls.parse("none.pem,none.pem,none.key")


@pytest.mark.heavy
def test_the_local_cluster_gives_the_same_as_this_process(sample: Path, tmp_path: Path) -> None:
    """As a user runs it: TLS with keys of its own, workers of this host."""
    results = []
    for name in ("local", "dask"):
        ended = l1chain("replay", str(sample), *MENU, "--executor", name, "--out", str(tmp_path / name), "--json")
        assert ended.code == 0, ended.err
        results.append({**ended.result, "seconds": 0, "out": ""})
    assert results[0] == results[1]
