"""`l1chain models`: list, show, score."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from models.errors import InputsInvalid, VersionMissing
from models.repository import Repository
from stream.cli.models import app
from triggers.errors import FileExists, FileMissing, FileUnreadable


def result_of(*arguments: str) -> str:
    run = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    if run.exception is not None:
        raise run.exception
    return run.stdout


def test_list_names_versions_and_aliases() -> None:
    listed = json.loads(result_of("list", "--json"))
    (entry,) = [v for v in listed["versions"] if (v["name"], v["version"]) == ("axol1tl", "demo-v1")]
    assert entry["aliases"] == ["production"]
    assert entry["layout"] == "axol1tl-57"
    assert set(entry["working_points"]) == {"vloose", "loose", "nominal", "tight", "vtight"}
    assert "axol1tl/demo-v1" in result_of("list")


@pytest.mark.parametrize("label", ["axol1tl", "axol1tl/demo-v1", "axol1tl/production"])
def test_show_prints_the_manifest(label: str) -> None:
    shown = json.loads(result_of("show", label, "--json"))["versions"][0]
    manifest = Repository().show("axol1tl", "demo-v1").model_dump(mode="json")
    assert shown == manifest | {"aliases": ["production"]}
    assert "exact in float32" in result_of("show", label)


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
        "model": "axol1tl/demo-v1",
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
    with pytest.raises(InputsInvalid, match="found arrays other, expected an array 'inputs'"):
        result_of(*score)
    np.savez(inputs, inputs=np.array([{"an": "object"}], dtype=object))
    with pytest.raises(FileUnreadable, match="no NPZ file of numbers"):
        result_of(*score)
    with inputs.open("wb") as file:
        np.save(file, np.zeros((1, 57)))
    with pytest.raises(InputsInvalid, match="found a single array"):
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
