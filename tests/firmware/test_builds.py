"""Builds are the same byte for byte, and stand beside their version (docs/firmware.md, "Build")."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("da4ml", reason="the extra [firmware] is not installed")

from firmware.build_requests import BuildRequest, Tool, rtl_request
from firmware.builds import RECORD_FILE, build, builds_folder
from firmware.hls_strategies import Strategy
from firmware.ports import Ports
from firmware.rtl_errors import BuildUnwritable, ExtraMissing
from models.network import NETWORK_FILE
from models.repository import Repository
from tests.firmware.extras import needs_hls4ml
from tests.models.conftest import write_version
from tests.models.encoder_networks import encoder_document, version_from
from triggers.errors import BadValue

pytestmark = needs_hls4ml


@pytest.mark.parametrize("tool", ["hls4ml", "da4ml"])
def test_two_processes_build_the_same_bytes(tmp_path: Path, tool: str) -> None:
    write_version(tmp_path, "small", "v1", {NETWORK_FILE: json.dumps(encoder_document(4, (3, 2))).encode()})
    made = []
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "stream.cli", "firmware", "build", "small/v1", "--backend", tool, "--json"]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        places = ["--repository", str(tmp_path), "--out", str(tmp_path / "out" / seed)]
        done = subprocess.run([*command, *places], env=environment, capture_output=True, text=True, check=True)
        made.append(json.loads(done.stdout))
    first, second = (Path(one["folder"]) for one in made)
    assert made[0]["digest"] == made[1]["digest"]
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(files) > 10
    assert files == sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file())
    assert [name for name in files if (first / name).read_bytes() != (second / name).read_bytes()] == []


def test_the_record_lists_every_file_with_its_digest(tmp_path: Path) -> None:
    made = build(version_from(encoder_document(4, (3, 2))), rtl_request(), tmp_path)
    record = json.loads((made.folder / RECORD_FILE).read_text())
    found = {
        str(path.relative_to(made.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in made.folder.rglob("*")
        if path.is_file() and path.name != RECORD_FILE
    }
    assert record["files"] == found
    assert record["digest"] == made.digest
    assert (record["ticks"], made.ticks, made.projects) == (2, 2, ("verilog", "vhdl"))


def test_names_of_model_and_version_are_the_namespace(tmp_path: Path) -> None:
    made = build(version_from(encoder_document(4, (3, 2))), rtl_request(), tmp_path)
    assert "module axol1tl_test " in (made.folder / "verilog" / "src" / "axol1tl_test.v").read_text()


def test_a_build_replaces_an_earlier_one_as_a_whole(tmp_path: Path) -> None:
    version = version_from(encoder_document(4, (3, 2)))
    first = build(version, rtl_request(), tmp_path)
    (first.folder / "left over").touch()
    again = build(version, rtl_request(), tmp_path)
    assert again.digest == first.digest
    assert not (again.folder / "left over").exists()
    assert [path.name for path in tmp_path.iterdir()] == [again.folder.name]


def test_other_settings_are_other_folders() -> None:
    requests = [
        BuildRequest(Tool.HLS4ML),
        BuildRequest(Tool.HLS4ML, reuse=2),
        BuildRequest(Tool.HLS4ML, clock_ns=6.25),
        BuildRequest(Tool.HLS4ML, part="xcvu9p-flga2104-2L-e"),
        rtl_request(),
        rtl_request(ports=Ports.PACKED),
    ]
    assert len({request.label for request in requests}) == len(requests)


def test_shipped_versions_are_built_in_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    folder = builds_folder(Repository().load("axol1tl", "demo-v1"))
    assert folder == tmp_path / "l1chain" / "firmware" / "axol1tl" / "demo-v1"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tool": Tool.HLS4ML, "part": "no part;"}, "is no device"),
        ({"tool": Tool.HLS4ML, "clock_ns": 0.0}, "a period of 0 ns"),
        ({"tool": Tool.HLS4ML, "reuse": 0}, "a factor of 0"),
        ({"tool": Tool.DA4ML, "strategy": Strategy.LATENCY}, "da4ml cannot make 'latency'"),
        ({"tool": Tool.DA4ML, "strategy": Strategy.DISTRIBUTED_ARITHMETIC, "clock_ns": 0.3}, "shorter than an adder"),
        ({"tool": Tool.DA4ML, "strategy": Strategy.DISTRIBUTED_ARITHMETIC, "reuse": 2}, "no multipliers to share"),
        ({"tool": Tool.HLS4ML, "ports": Ports.PACKED}, "use declared, or the backend da4ml"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(BadValue, match=message):
        BuildRequest(**settings)  # type: ignore[arg-type]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BuildUnwritable, match="no build can be written there"):
        build(version_from(encoder_document(4, (3, 2))), rtl_request(), tmp_path / "file")


def test_without_da4ml_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("firmware.da4ml_package.find_spec", lambda _: None)
    with pytest.raises(ExtraMissing, match=r"pip install 'l1chain\[firmware\]'"):
        build(version_from(encoder_document(4, (3, 2))), rtl_request(), tmp_path)
