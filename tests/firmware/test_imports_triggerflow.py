"""Archives of `triggerflow`: the emulator scores in a worker; hostile archives are refused as a whole."""

from __future__ import annotations

import io
import json
import lzma
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware.compiler import compile_library
from firmware.csim import open_csim
from firmware.errors import LibraryUnusable, WorkerFailed
from firmware.imports import archive as reading
from firmware.imports.archive import read_archive
from firmware.imports.errors import ArchiveUnsafe, NotTrusted
from firmware.imports.triggerflow import import_archive
from models.importing import NewVersion
from models.repository import Repository
from triggers.errors import FileMissing

EMULATOR = """
extern "C" {
__attribute__((visibility("default"))) void *create_model() { return new int(2); }
__attribute__((visibility("default"))) void destroy_model(void *model) { delete static_cast<int *>(model); }
__attribute__((visibility("default"))) int get_n_inputs() { return N_INPUTS; }
__attribute__((visibility("default"))) int get_n_outputs() { return 1; }
__attribute__((visibility("default"))) void run_inference(void *model, const float *in, float *out) {
    out[0] = *static_cast<int *>(model) * in[0] - 0.5f * in[3];
}
}
"""
METADATA: dict[str, Any] = {
    "name": "demo",
    "ml_backend": "keras",
    "compiler": "hls4ml",
    "n_inputs": 4,
    "n_outputs": 1,
    "created_at": "2026-01-01",
    "config": {
        "deployment": {
            "inputs": [
                {"tag": "jets", "n_objects": 1, "features": ["et", "eta", "phi"], "sort": "et"},
                {"tag": "ETMiss", "n_objects": 1, "features": ["et"], "sort": None},
            ],
            "decision": {"threshold": 12.5, "pass_above": True, "trigger_types": ["physics"]},
        }
    },
}


def emulator(folder: Path, text: str = EMULATOR, n_inputs: int = 4) -> bytes:
    source = folder / "emulator.cpp"
    source.write_text(text.replace("N_INPUTS", str(n_inputs)))
    return compile_library([source], []).read_bytes()


def written(path: Path, files: dict[str, bytes], *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:xz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def of_model(library: bytes, **changed: Any) -> dict[str, bytes]:
    return {
        "triggermodel/metadata.json": json.dumps(METADATA | changed).encode(),
        "triggermodel/keras_model.h5": b"no matter",
        "triggermodel/emulator/demo/demo.so": library,
        "triggermodel/emulator/demo/Makefile": b"all:",
    }


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "models", must_exist=False)


def new(repository: Repository) -> NewVersion:
    return NewVersion(repository, "topo", "v1")


def test_an_emulator_becomes_a_version_with_the_inputs_that_its_metadata_names(
    tmp_path, repository, random_columns
) -> None:
    path = written(tmp_path / "a.tar.xz", of_model(emulator(tmp_path)))
    with pytest.raises(NotTrusted):
        import_archive(path, new(repository), None, trust=False)
    made = import_archive(path, new(repository), None, trust=True)
    assert "threshold is 12.5" in made.manifest.description
    assert made.manifest.compared["hls4ml"].differing == 0
    version = repository.load("topo", "v1")
    assert [field.column for field in version.layout.fields] == ["jet", "jet", "jet", "sums"]
    inputs = np.array([[100, 0, 0, 20], [1, 0, 0, 400], [10, -3, 4, 1]])
    assert open_csim(version).score_inputs(inputs).tolist() == [190 * 256, 0, int(19.5 * 256)]
    assert (open_csim(version).score(random_columns(500, 1)) > 0).any()


def test_a_manifest_states_other_inputs_and_scores(tmp_path, repository) -> None:
    path = written(tmp_path / "a.tar.xz", of_model(emulator(tmp_path)))
    stated = tmp_path / "m.yaml"
    stated.write_text(
        "inputs:\n  elements:\n"
        + "".join(f"  - {{object: jet, rank: {i}, quantity: pt, unit: hw}}\n" for i in range(4))
        + "  float_scaling: {factor: [0.5]}\nscore: {kind: output, integer_scale: 4, bits: 10}\n"
    )
    import_archive(path, new(repository), stated, trust=True)
    backend = open_csim(repository.load("topo", "v1"))
    assert backend.score_inputs(np.array([[100, 0, 0, 0], [3, 0, 0, 1], [5000, 0, 0, 0]])).tolist() == [400, 11, 1023]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"n_inputs": 5}, "states 5 inputs, and its deployment lists 4"),
        ({"n_inputs": "many"}, "not as triggerflow 0.5 writes it"),
        ({"n_outputs": 2}, "gives 2 numbers"),
        ({"n_inputs": 0}, "states 0 inputs"),
        ({"config": []}, None),
        ({"config": {"deployment": {"inputs": [{"tag": "jets"}]}}}, "n_objects"),
    ],
)
def test_metadata_is_checked(tmp_path, repository, changed: dict[str, Any], why: str | None) -> None:
    path = written(tmp_path / "a.tar.xz", of_model(b"\x7fELF", **changed))
    with pytest.raises(ArchiveUnsafe, match=why or "no shared object"):
        import_archive(path, new(repository), None, trust=True)
    assert not repository.folder.exists()


def test_an_emulator_must_be_what_the_metadata_says(tmp_path, repository) -> None:
    wrong = written(tmp_path / "a.tar.xz", of_model(emulator(tmp_path, n_inputs=3)))
    with pytest.raises(ArchiveUnsafe, match="3 inputs and 1 outputs, not 4 and 1"):
        import_archive(wrong, new(repository), None, trust=True)
    crashing = EMULATOR.replace("out[0] = ", "*(volatile int *)0 = 1; out[0] = ")
    broken = written(tmp_path / "b.tar.xz", of_model(emulator(tmp_path, crashing)))
    with pytest.raises(WorkerFailed, match="SIGSEGV"):
        import_archive(broken, new(repository), None, trust=True)
    library = emulator(tmp_path)
    truncated = written(tmp_path / "c.tar.xz", of_model(library[: len(library) // 2]))
    with pytest.raises((WorkerFailed, LibraryUnusable)):
        import_archive(truncated, new(repository), None, trust=True)
    assert not repository.folder.exists()


def _all(_: str) -> bool:
    return True


def _none(_: str) -> bool:
    return False


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, link
    return entry


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (member("/etc/passwd"), "outside of it"),
        (member("triggermodel/../../evil"), "outside of it"),
        (member("triggermodel/a", tarfile.SYMTYPE, "/etc/passwd"), "link or device"),
        (member("triggermodel/a", tarfile.LNKTYPE, "triggermodel/metadata.json"), "link or device"),
        (member("triggermodel/a", tarfile.FIFOTYPE), "link or device"),
        (member("triggermodel/a", tarfile.CHRTYPE), "link or device"),
        (member("triggermodel/metadata.json"), "twice"),
        (member("triggermodel\\..\\evil"), "of the name"),
    ],
)
def test_entries_that_leave_the_archive_or_are_no_files_refuse_it(tmp_path, entry: tarfile.TarInfo, why: str) -> None:
    path = written(tmp_path / "a.tar.xz", of_model(b""), entry)
    with pytest.raises(ArchiveUnsafe, match=why):
        read_archive(path, _none)


def test_archives_that_are_damaged_or_too_large_are_refused(tmp_path, monkeypatch) -> None:
    whole = written(tmp_path / "a.tar.xz", of_model(bytes(range(256)) * 400)).read_bytes()
    random = np.random.default_rng(1)
    for content in (
        b"",
        b"no archive at all",
        whole[: len(whole) // 2],
        whole[:40],
        bytes(random.integers(0, 256, 5000, np.uint8)),
        lzma.compress(b"no tar"),
        lzma.compress(b""),
    ):
        path = tmp_path / "b.tar.xz"
        path.write_bytes(content)
        with pytest.raises(ArchiveUnsafe):
            read_archive(path, _all)
    bomb = written(tmp_path / "c.tar.xz", {"triggermodel/zeros": bytes(40 << 20)})
    with pytest.raises(ArchiveUnsafe, match="unpacks to far more"):
        read_archive(bomb, _none)
    monkeypatch.setattr(reading, "MOST_FILES", 3)
    with pytest.raises(ArchiveUnsafe, match="more than 3 files"):
        read_archive(written(tmp_path / "d.tar.xz", of_model(b"")), _none)
    with pytest.raises(FileMissing):
        read_archive(tmp_path / "none.tar.xz", _all)
