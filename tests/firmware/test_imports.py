"""Projects of C++ become versions: compiled, compared, and run in a worker; what is hostile leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from firmware.csim import open_csim
from firmware.errors import CompileFailed, CompileLimitReached, FirmwareError, WorkerTimedOut
from firmware.imports.bridge import BridgeOptions
from firmware.imports.bundle import BUNDLE_FILE
from firmware.imports.errors import NotTrusted
from firmware.imports.importing import ProjectOptions, import_project
from models.backends import fixed
from models.importing import NewVersion
from models.inputs import hardware_inputs
from models.repository import Repository
from stream.cli.models import app
from tests.firmware.cms_projects import axol1tl_folder, cicada_folder
from tests.firmware.extras import needs_hls4ml
from tests.firmware.small_networks import encoder, regions
from triggers.errors import L1ChainError

pytestmark = needs_hls4ml

TRUSTED = ProjectOptions(trust=True)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "models", must_exist=False)


def new(repository: Repository) -> NewVersion:
    return NewVersion(repository, "axol1tl", "v4")


def test_a_project_as_axol1tl_becomes_a_version_of_every_backend(tmp_path, repository, random_columns) -> None:
    network = encoder(1)
    made = import_project(axol1tl_folder(network, tmp_path / "p"), new(repository), TRUSTED)
    compared = made.manifest.compared
    assert set(compared) == {"fixed", "native", "onnxruntime", "hls4ml"}
    assert not any(found.differing for found in compared.values())
    version = repository.load("axol1tl", "v4")
    inputs, scores = version.reference()
    assert np.array_equal(fixed.score(network, inputs), scores)
    assert len(np.unique(scores)) > 100
    backend = open_csim(version)
    columns = random_columns(300, 1)
    assert np.array_equal(backend.score(columns), fixed.score(network, hardware_inputs(version.layout, columns)))
    assert set(backend.needed_columns) == {"muon", "eg", "jet", "sums"}


def test_a_project_as_cicada_becomes_a_version_named_by_the_folder_of_its_layers(tmp_path, repository) -> None:
    network = regions(3)
    made = import_project(cicada_folder(network, tmp_path / "p"), new(repository), TRUSTED)
    assert not any(found.differing for found in made.manifest.compared.values())
    inputs, scores = repository.load("axol1tl", "v4").reference()
    assert np.array_equal(fixed.score(network, inputs), scores)


def test_layers_that_no_description_says_run_by_hls4ml_alone(tmp_path, repository, random_columns) -> None:
    network = encoder(2)
    folder = axol1tl_folder(network, tmp_path / "p", emulator=False)
    top = folder / "NN" / "GTADModel_v4.cpp"
    top.write_text(top.read_text().replace("nnet::linear<", "nnet::clip_linear<"))
    parameters = folder / "NN" / "parameters.h"
    own = "template <class a, class b, class c> void clip_linear(a *x, b *y) { linear<a, b, c>(x, y); }"
    parameters.write_text(parameters.read_text() + f"\nnamespace nnet {{ {own} }}\n")
    made = import_project(folder / "NN", new(repository), ProjectOptions(trust=True, score=BridgeOptions(squared=True)))
    assert "'clip_linear': is none of" in str(made.manifest.left_out)
    assert made.manifest.backend == "hls4ml"
    version = repository.load("axol1tl", "v4")
    assert set(version.files) == {BUNDLE_FILE, "reference.npz"}
    columns = random_columns(200, 2)
    expected = fixed.score(network, hardware_inputs(version.layout, columns))
    assert np.array_equal(open_csim(version).score(columns), expected)


def test_nothing_runs_without_trust(tmp_path, repository) -> None:
    folder = axol1tl_folder(encoder(1), tmp_path / "p")
    with pytest.raises(NotTrusted, match="native code.*--trust"):
        import_project(folder, new(repository), ProjectOptions())
    assert not repository.folder.exists()


def spoiled(folder: Path, old: str, replacement: str) -> Path:
    unit = folder / "GTADModel_v4_emulator.cpp"
    text = unit.read_text()
    assert old in text
    unit.write_text(text.replace(old, replacement, 1))
    return folder


BOMB = """template <int N, class... T> struct Bomb { typedef typename Bomb<N - 1, T..., T..., int>::type type; };
template <class... T> struct Bomb<0, T...> { typedef int type; };
Bomb<40, int>::type bomb;
class GTADModel_v4_emulator"""


@pytest.mark.parametrize(
    ("old", "replacement", "options", "error"),
    [
        ("virtual void predict() {", "virtual void predict() { nonsense(", TRUSTED, CompileFailed),
        ("class GTADModel_v4_emulator", BOMB, ProjectOptions(trust=True, compile_seconds=4), FirmwareError),
        (
            "virtual void predict() {",
            "virtual void predict() { for (volatile int i = 0;; i++) {}",
            ProjectOptions(trust=True, batch_seconds=1),
            WorkerTimedOut,
        ),
    ],
    ids=["does not compile", "never ends compiling", "never ends"],
)
def test_hostile_code_is_one_error_and_nothing_is_written(
    tmp_path, repository, old: str, replacement: str, options: ProjectOptions, error: type[L1ChainError]
) -> None:
    folder = spoiled(axol1tl_folder(encoder(1), tmp_path / "p"), old, replacement)
    with pytest.raises(error) as found:
        import_project(folder, new(repository), options)
    if error is FirmwareError:
        assert isinstance(found.value, CompileLimitReached | CompileFailed)
    assert not repository.folder.exists()


def test_the_command_says_what_it_lacks(tmp_path: Path) -> None:
    folder = axol1tl_folder(encoder(1), tmp_path / "p")
    arguments = ["import", str(folder), "--name", "a", "--version", "b", "--repository", str(tmp_path / "m")]
    for more, said in (([], "--trust"), (["--inputs", "axol1tl-56"], "axol1tl-57"), (["--score", "sum"], "output")):
        run = CliRunner().invoke(app, [*arguments, *more])
        assert isinstance(run.exception, L1ChainError)
        assert said in str(run.exception)
        assert "\n" not in str(run.exception)
    assert not (tmp_path / "m").exists()
