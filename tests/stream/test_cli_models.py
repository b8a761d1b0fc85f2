"""`l1chain models`: list, show, score, import, verify, alias, remove."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from models.errors import InputsInvalid, VersionExists, VersionInUse, VersionMissing
from models.repository import Repository
from stream.cli.models import app
from tests.models.encoder_networks import encoder_document, region_document
from tests.stream.run.conftest import l1chain
from triggers.errors import BadValue, FileExists, FileMissing, FileUnreadable

PRODUCTION = Repository().resolve("axol1tl", "production")


def result_of(*arguments: str) -> str:
    run = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    if run.exception is not None:
        raise run.exception
    return run.stdout


def test_list_names_versions_and_aliases() -> None:
    listed = json.loads(result_of("list", "--json"))
    (entry,) = [v for v in listed["versions"] if (v["name"], v["version"]) == ("axol1tl", "demo-v1")]
    assert entry["aliases"] == []
    assert entry["backend"] == "onnxruntime"
    assert set(entry["working_points"]) == {"vloose", "loose", "nominal", "tight", "vtight"}
    assert "axol1tl/demo-v1" in result_of("list")


@pytest.mark.parametrize("label", ["axol1tl", "axol1tl/production", f"axol1tl/{PRODUCTION}"])
def test_show_prints_the_manifest(label: str) -> None:
    listed = json.loads(result_of("show", label, "--json"))["versions"]
    (shown,) = [version for version in listed if version["version"] == PRODUCTION]
    manifest = Repository().show("axol1tl", "production").model_dump(mode="json")
    assert shown == manifest | {"aliases": ["production"]}
    assert "bit-exact" in result_of("show", label)


def test_score_writes_the_menu_integers(tmp_path: Path) -> None:
    inputs, scores = Repository().load("axol1tl", "production").reference()
    np.savez(tmp_path / "inputs.npz", inputs=inputs)
    out = tmp_path / "scores.npz"
    printed = result_of(
        "score",
        "axol1tl/production",
        "--inputs",
        tmp_path / "inputs.npz",
        "--backend",
        "onnxruntime",
        "--out",
        out,
        "--json",
    )
    assert json.loads(printed) == {
        "model": f"axol1tl/{PRODUCTION}",
        "backend": "onnxruntime",
        "n": len(scores),
        "out": str(out),
    }
    with np.load(out) as arrays:
        assert arrays["score"].dtype == np.int64
        assert np.array_equal(arrays["score"], scores)


def test_score_refuses_what_it_cannot_read(tmp_path: Path) -> None:
    inputs, out = tmp_path / "inputs.npz", tmp_path / "scores.npz"
    score = ("score", "axol1tl/demo-v1", "--inputs", inputs, "--out", out)
    with pytest.raises(FileMissing, match="no such file of inputs"):
        result_of(*score)
    inputs.write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(FileUnreadable, match="no NPZ file of numbers"):
        result_of(*score)
    np.savez(inputs, other=np.zeros(3))
    with pytest.raises(InputsInvalid, match="found arrays other, expected one array 'inputs' or 'regions'"):
        result_of(*score)
    np.savez(inputs, inputs=np.array([{"an": "object"}], dtype=object))
    with pytest.raises(FileUnreadable, match="no NPZ file of numbers"):
        result_of(*score)
    with inputs.open("wb") as file:
        np.save(file, np.zeros((1, 57)))
    with pytest.raises(InputsInvalid, match="found a single array"):
        result_of(*score)
    np.savez(inputs, inputs=np.full((2, 57), np.nan))
    with pytest.raises(InputsInvalid, match="found infinite or undefined numbers, expected finite ones"):
        result_of(*score)
    np.savez(inputs, inputs=np.zeros((2, 57)), regions=np.zeros((2, 57)))
    with pytest.raises(InputsInvalid, match="found arrays inputs, regions"):
        result_of(*score)
    np.savez(inputs, inputs=np.zeros((2, 56)))
    with pytest.raises(InputsInvalid, match=r"shape \(2, 56\)"):
        result_of(*score)
    assert not out.exists()


def test_score_does_not_overwrite(tmp_path: Path) -> None:
    np.savez(tmp_path / "inputs.npz", inputs=np.zeros((1, 57), np.int16))
    (tmp_path / "scores.npz").write_bytes(b"precious")
    with pytest.raises(FileExists):
        result_of("score", "axol1tl/demo-v1", "--inputs", tmp_path / "inputs.npz", "--out", tmp_path / "scores.npz")
    assert (tmp_path / "scores.npz").read_bytes() == b"precious"


def test_another_repository_is_used(tmp_path: Path) -> None:
    (tmp_path / "mymodel").mkdir()
    with pytest.raises(VersionMissing, match="no model 'axol1tl'; use one of the existing ones: mymodel"):
        result_of("show", "axol1tl/demo-v1", "--repository", tmp_path)


@pytest.fixture
def network(tmp_path: Path) -> Path:
    path = tmp_path / "net.json"
    path.write_text(json.dumps(encoder_document(1)))
    return path


@pytest.fixture
def imported(tmp_path: Path, network: Path) -> tuple[str, str]:
    """The option `--repository`, with `mine/v1` in it."""
    option = ("--repository", str(tmp_path / "models"))
    result_of("import", str(network), "--name", "mine", "--version", "v1", *option)
    return option


def test_import_score_verify_alias_remove(tmp_path: Path, network: Path, imported: tuple[str, str]) -> None:
    points = ("--working-point", "nominal=700:500", "--working-point", "tight=900:1e2", "--calibrated-on", "a sample")
    printed = json.loads(
        result_of("import", str(network), "--name", "mine", "--version", "v2", *points, *imported, "--json")
    )
    assert printed["model"] == "mine/v2"
    assert {row["backend"]: row["differing"] for row in printed["compared"]}.items() >= {
        "fixed": 0,
        "native": 0,
    }.items()
    shown = json.loads(result_of("show", "mine/v2", *imported, "--json"))["versions"][0]
    assert shown["working_points"]["tight"] == {
        "threshold": 900,
        "colliding_bunches": 2544,
        "is_pure": False,
        "rate_hz": 100.0,
        "rate_error_hz": None,
        "calibrated_on": "a sample",
    }
    assert "0 of" in result_of("show", "mine/v2", *imported)
    verified = json.loads(result_of("verify", *imported, "--json"))
    assert {row["model"] for row in verified["compared"]} == {"mine/v1", "mine/v2"}
    assert not any(row["differing"] for row in verified["compared"])
    assert json.loads(result_of("alias", "mine", "production", "v2", *imported, "--json"))["aliases"] == {
        "production": "v2"
    }
    assert "mine/v2" in result_of("verify", "mine/production", "--backend", "fixed", *imported)
    with pytest.raises(VersionInUse):
        result_of("remove", "mine/v2", *imported)
    assert "mine has no aliases" in result_of("alias", "mine", "production", "--remove", *imported)
    result_of("remove", "mine/v2", *imported)
    assert [v["version"] for v in json.loads(result_of("list", *imported, "--json"))["versions"]] == ["v1"]


def test_a_version_is_not_imported_twice(network: Path, imported: tuple[str, str]) -> None:
    with pytest.raises(VersionExists):
        result_of("import", str(network), "--name", "mine", "--version", "v1", *imported)


@pytest.mark.parametrize("shape", [(5, 252), (5, 18, 14)])
def test_regions_are_scored(tmp_path: Path, shape: tuple[int, ...]) -> None:
    option = ("--repository", str(tmp_path / "models"))
    (tmp_path / "net.json").write_text(json.dumps(region_document(1)))
    result_of("import", str(tmp_path / "net.json"), "--name", "cicada", "--version", "v1", *option)
    np.savez(tmp_path / "regions.npz", regions=np.random.default_rng(1).integers(0, 1024, shape, np.uint16))
    scores = []
    for backend in ("fixed", "onnxruntime", "native"):
        out = tmp_path / f"{backend}.npz"
        files = ("--inputs", str(tmp_path / "regions.npz"), "--out", str(out))
        result_of("score", "cicada/v1", *files, "--backend", backend, *option)
        with np.load(out) as arrays:
            scores.append(arrays["score"])
    assert scores[0].shape == (5,)
    assert np.array_equal(scores[0], scores[1])
    assert np.array_equal(scores[0], scores[2])


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ("nominal", "is not of the form NAME=THRESHOLD:RATE_HZ"),
        ("nominal=1.5:2", "is not of the form"),
        ("../x=1:2", "is no name"),
        ("nominal=-1:2", "greater than or equal to 0"),
        ("nominal=1:nan", "finite number"),
        ("nominal=300000:1", "beyond the score's end, 262143"),
    ],
)
def test_working_points_are_checked(tmp_path: Path, network: Path, point: str, message: str) -> None:
    option = ("--repository", str(tmp_path / "models"))
    with pytest.raises(BadValue, match=message):
        result_of("import", str(network), "--name", "a", "--version", "v1", "--working-point", point, *option)
    assert not (tmp_path / "models").exists()


def test_an_alias_needs_a_version_or_is_removed(imported: tuple[str, str]) -> None:
    with pytest.raises(BadValue, match="needs a version or --remove"):
        result_of("alias", "mine", "production", *imported)


def test_verify_tells_differing_scores_by_exit_code_1_and_damage_by_2(tmp_path: Path, network: Path) -> None:
    option = ("--repository", str(tmp_path / "models"))
    result_of("import", str(network), "--name", "mine", "--version", "v1", *option)
    folder = tmp_path / "models" / "mine" / "v1"
    with np.load(folder / "reference.npz") as arrays:
        np.savez(folder / "reference.npz", inputs=arrays["inputs"], score=arrays["score"] + 1)
    altered = l1chain("models", "verify", *option, "--backend", "fixed")
    assert altered.code == 2
    assert altered.err.startswith("error: ")
    assert "reference.npz: its SHA-256 is" in altered.err
    manifest = (folder / "manifest.yaml").read_text().splitlines()
    digest = hashlib.sha256((folder / "reference.npz").read_bytes()).hexdigest()
    manifest = [f"  reference.npz: {digest}" if "reference.npz:" in line else line for line in manifest]
    (folder / "manifest.yaml").write_text("\n".join(manifest))
    differing = l1chain("models", "verify", *option, "--backend", "fixed", "--json")
    assert differing.code == 1, differing.err
    (row,) = differing.result["compared"]
    assert row["differing"] == row["crossings"]


@pytest.mark.parametrize("file", ["network.json", "reference.npz", "manifest.yaml"])
@pytest.mark.parametrize("damage", ["truncated", "altered"])
def test_damaged_files_end_in_one_sentence_and_exit_code_2(tmp_path, imported, file: str, damage: str) -> None:
    path = tmp_path / "models" / "mine" / "v1" / file
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if damage == "truncated" else content.replace(b"a", b"\x00", 1))
    np.savez(tmp_path / "inputs.npz", inputs=np.zeros((1, 57)))
    files = ("--inputs", str(tmp_path / "inputs.npz"), "--out", str(tmp_path / "scores.npz"))
    ended = l1chain("models", "score", "mine/v1", *imported, *files)
    assert ended.code == 2
    assert len(ended.err.splitlines()) == 1
    assert ended.err.startswith(f"error: {path}")
