"""Versions come and go as a whole; aliases change in one step; nothing that exists is overwritten."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models import repository_changes
from models.errors import RepositoryReadOnly, VersionExists, VersionInUse, VersionMissing
from models.repository import Repository, open_repository
from models.repository_changes import add_version, remove_alias, remove_version, set_alias
from tests.models.conftest import manifest_of
from triggers.errors import BadValue

FILES = {"network.onnx": b"graph", "reference.npz": b"arrays"}


def written(repository: Repository, version: str = "v1") -> Path:
    return add_version(repository, manifest_of("axol1tl", version, FILES), FILES)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return open_repository(tmp_path / "new", make=True)


@pytest.fixture
def layered(tmp_path: Path) -> Repository:
    written(Repository(tmp_path / "shipped", must_exist=False), "v1")
    (tmp_path / "shipped" / "axol1tl" / "aliases.yaml").write_text("production: v1\n")
    return Repository(tmp_path / "mine", (tmp_path / "shipped",), must_exist=False)


def test_a_version_is_written_and_read_back(repository: Repository) -> None:
    folder = written(repository)
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.yaml", *FILES]
    assert [path.name for path in folder.parent.iterdir()] == ["v1"]
    assert dict(repository.load("axol1tl", "v1").files) == FILES


def test_a_version_that_exists_is_never_changed(repository: Repository) -> None:
    before = {path: path.read_bytes() for path in written(repository).iterdir()}
    with pytest.raises(VersionExists, match="v1: exists already, and a version never changes; choose another version"):
        add_version(repository, manifest_of("axol1tl", "v1", {"a": b"b"}), {"a": b"b"})
    assert {path: path.read_bytes() for path in before} == before


def test_what_fails_on_the_way_leaves_nothing(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(path: Path, content: bytes) -> None:
        path.write_bytes(content[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(repository_changes, "_write", full_disk)
    with pytest.raises(RepositoryReadOnly, match=r"cannot be changed \(No space left on device\)"):
        written(repository)
    assert list((repository.folder / "axol1tl").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "version"), [("..", "v1"), ("a/b", "v1"), ("a", ".v1"), ("a", ""), ("a", "aliases.yaml")]
)
def test_names_are_names(repository: Repository, name: str, version: str) -> None:
    with pytest.raises(BadValue, match="is no name"):
        repository_changes.check_free(repository, name, version)


def test_a_version_has_no_name_of_an_alias_nor_an_alias_that_of_a_version(repository: Repository) -> None:
    written(repository)
    set_alias(repository, "axol1tl", "production", "v1")
    with pytest.raises(BadValue, match="version 'production': is an alias of model 'axol1tl'"):
        written(repository, "production")
    with pytest.raises(BadValue, match="alias 'v1': is a version of model 'axol1tl'"):
        set_alias(repository, "axol1tl", "v1", "v1")


def test_an_alias_changes_and_goes(repository: Repository) -> None:
    written(repository, "v1")
    written(repository, "v2")
    set_alias(repository, "axol1tl", "production", "v1")
    set_alias(repository, "axol1tl", "production", "v2")
    assert repository.resolve("axol1tl", "production") == "v2"
    with pytest.raises(VersionMissing, match="no version 'v3'"):
        set_alias(repository, "axol1tl", "production", "v3")
    remove_alias(repository, "axol1tl", "production")
    assert repository.aliases("axol1tl") == {}
    with pytest.raises(VersionMissing, match="no alias 'production'"):
        remove_alias(repository, "axol1tl", "production")


def test_aliases_set_at_the_same_time_are_all_kept_and_readers_see_whole_files(repository: Repository) -> None:
    written(repository)

    def write(k: int) -> None:
        for _ in range(20):
            set_alias(repository, "axol1tl", f"alias{k}", "v1")

    def read(_: int) -> None:
        for _ in range(40):
            repository.aliases("axol1tl")

    with ThreadPoolExecutor(5) as pool:
        for done in [pool.submit(write if k < 4 else read, k) for k in range(5)]:
            done.result()
    assert sorted(repository.aliases("axol1tl")) == ["alias0", "alias1", "alias2", "alias3"]


def test_a_version_that_an_alias_means_stays(repository: Repository) -> None:
    folder = written(repository)
    set_alias(repository, "axol1tl", "production", "v1")
    with pytest.raises(VersionInUse, match="axol1tl/v1: is what 'production' means; let the alias"):
        remove_version(repository, "axol1tl", "v1")
    with pytest.raises(VersionMissing, match="no version 'production'"):
        remove_version(repository, "axol1tl", "production")
    assert folder.is_dir()


def test_a_removed_version_leaves_nothing(repository: Repository) -> None:
    written(repository)
    remove_version(repository, "axol1tl", "v1")
    assert list(repository.folder.iterdir()) == []


def test_what_lies_beneath_is_read_and_not_changed(layered: Repository) -> None:
    assert layered.load("axol1tl", "production").label == "axol1tl/v1"
    with pytest.raises(VersionExists):
        written(layered, "v1")
    written(layered, "v2")
    assert layered.versions("axol1tl") == ("v1", "v2")
    set_alias(layered, "axol1tl", "production", "v2")
    assert layered.resolve("axol1tl", "production") == "v2"
    with pytest.raises(RepositoryReadOnly, match="it ships with l1chain"):
        remove_version(layered, "axol1tl", "v1")
    remove_alias(layered, "axol1tl", "production")
    assert layered.resolve("axol1tl", "production") == "v1"
    with pytest.raises(RepositoryReadOnly, match="it ships with l1chain"):
        remove_alias(layered, "axol1tl", "production")


def test_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("L1CHAIN_MODELS", str(tmp_path / "models"))
    assert open_repository(None).folder == tmp_path / "models"
    monkeypatch.delenv("L1CHAIN_MODELS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert open_repository(None).folder == tmp_path / "l1chain" / "models"
    assert "axol1tl" in open_repository(None).names()
