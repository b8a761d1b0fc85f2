"""Versions on disk: found by name or alias, read once, checked on the bytes that are used."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from models.errors import (
    DigestMismatch,
    FileNotListed,
    ManifestInvalid,
    NetworkUnreadable,
    RepositoryMissing,
    VersionFileMissing,
    VersionMissing,
)
from models.repository import Repository, parse_label
from triggers.errors import BadValue, FileUnreadable


def test_versions_are_listed_by_model_and_version(tmp_path: Path, make_version) -> None:
    make_version("v2", seed=2)
    make_version("v1", seed=1)
    (tmp_path / "axol1tl" / ".v3.partial").mkdir()
    assert [(m.name, m.version) for m in Repository(tmp_path).list()] == [("axol1tl", "v1"), ("axol1tl", "v2")]


def test_a_version_is_loaded_with_exactly_the_listed_bytes(tmp_path: Path, make_version) -> None:
    folder = make_version()
    (folder / "notes.txt").write_text("not listed")
    version = Repository(tmp_path).load("axol1tl", "v1")
    assert version.label == "axol1tl/v1"
    assert dict(version.files) == {name: (folder / name).read_bytes() for name in ("network.onnx", "reference.npz")}
    assert version.digest == hashlib.sha256((folder / "manifest.yaml").read_bytes()).hexdigest()
    with pytest.raises(FileNotListed, match=r"lists no 'notes.txt', which a reader needs"):
        version.file("notes.txt", "a reader")


def test_files_are_not_read_again_after_loading(tmp_path: Path, make_version) -> None:
    folder = make_version()
    version = Repository(tmp_path).load("axol1tl", "v1")
    expected = version.files["network.onnx"]
    (folder / "network.onnx").write_bytes(b"changed afterwards")
    assert version.file("network.onnx", "a test") == expected


def test_aliases_point_to_versions(tmp_path: Path, make_version) -> None:
    make_version("v1", seed=1)
    make_version("v2", seed=2)
    (tmp_path / "axol1tl" / "aliases.yaml").write_text("production: v1\ncandidate: v2\n")
    repository = Repository(tmp_path)
    assert repository.show("axol1tl", "candidate").version == "v2"
    assert repository.load("axol1tl", "production").label == "axol1tl/v1"
    assert repository.aliases("axol1tl") == {"production": "v1", "candidate": "v2"}


def test_an_alias_of_a_missing_version_is_refused(tmp_path: Path, make_version) -> None:
    make_version()
    (tmp_path / "axol1tl" / "aliases.yaml").write_text("production: v9\n")
    with pytest.raises(VersionMissing, match=r"alias 'production': no version 'v9'; use one of the existing ones: v1"):
        Repository(tmp_path).load("axol1tl", "production")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("v1: v1\n", ManifestInvalid),
        ("production: [v1]\n", ManifestInvalid),
        ("production: ../v1\n", ManifestInvalid),
        ("production: 1\n", ManifestInvalid),
        ("[production]", ManifestInvalid),
        ("", ManifestInvalid),
        ("a: b: c", FileUnreadable),
        ("production: v1\nproduction: v1\n", FileUnreadable),
    ],
)
def test_alias_files_are_strict(tmp_path: Path, make_version, content: str, error: type[Exception]) -> None:
    make_version()
    (tmp_path / "axol1tl" / "aliases.yaml").write_text(content)
    with pytest.raises(error, match=r"aliases\.yaml"):
        Repository(tmp_path).load("axol1tl", "production")


@pytest.mark.parametrize(
    ("name", "version", "message"),
    [
        ("cicada", "v1", "no model 'cicada'; use one of the existing ones: axol1tl"),
        ("..", "v1", r"no model '\.\.'"),
        ("axol1tl", "v2", "no version or alias 'v2'; use one of the existing ones: production, v1"),
        ("axol1tl", "../axol1tl/v1", "no version or alias"),
    ],
)
def test_what_does_not_exist_is_said_with_what_does(tmp_path: Path, make_version, name, version, message) -> None:
    make_version()
    (tmp_path / "axol1tl" / "aliases.yaml").write_text("production: v1\n")
    with pytest.raises(VersionMissing, match=message):
        Repository(tmp_path).load(name, version)


def test_a_repository_must_exist(tmp_path: Path) -> None:
    with pytest.raises(RepositoryMissing, match="no such folder of model versions"):
        Repository(tmp_path / "nowhere")


@pytest.mark.parametrize("file", ["network.onnx", "reference.npz"])
def test_one_changed_bit_is_noticed(tmp_path: Path, make_version, file: str) -> None:
    path = make_version() / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DigestMismatch, match=rf"{file}: its SHA-256 is [0-9a-f]{{12}}…, the manifest lists"):
        Repository(tmp_path).load("axol1tl", "v1")


def test_a_truncated_file_is_noticed(tmp_path: Path, make_version) -> None:
    path = make_version() / "network.onnx"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DigestMismatch):
        Repository(tmp_path).load("axol1tl", "v1")


def test_a_listed_file_must_be_there(tmp_path: Path, make_version) -> None:
    (make_version() / "network.onnx").unlink()
    with pytest.raises(VersionFileMissing, match=r"network.onnx: cannot be read \(No such file or directory\)"):
        Repository(tmp_path).load("axol1tl", "v1")


def test_a_version_in_a_folder_of_another_name_is_refused(tmp_path: Path, make_version) -> None:
    make_version().rename(tmp_path / "axol1tl" / "v7")
    with pytest.raises(ManifestInvalid, match=r"is of axol1tl/v1, but lies in axol1tl/v7"):
        Repository(tmp_path).load("axol1tl", "v7")


def test_a_reference_without_its_arrays_is_refused(tmp_path: Path, make_version) -> None:
    make_version(files={"reference.npz": b"nothing"})
    with pytest.raises(NetworkUnreadable, match="holds no arrays 'inputs' and 'score'"):
        Repository(tmp_path).load("axol1tl", "v1").reference()


@pytest.mark.parametrize("label", ["axol1tl", "axol1tl/", "/v1", "axol1tl/v1/x", ""])
def test_a_label_is_name_and_version(label: str) -> None:
    with pytest.raises(BadValue, match="NAME/VERSION"):
        parse_label(label)
    assert parse_label("axol1tl/v1") == ("axol1tl", "v1")
