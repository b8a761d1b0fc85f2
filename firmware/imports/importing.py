"""From a folder of C++ to a version in a repository (`docs/models-import.md`, "hls4ml projects")."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from firmware.imports.bridge import SCORE_FUNCTION, BridgeOptions, is_squared
from firmware.imports.bundle import BUNDLE_FILE, bundled, packed
from firmware.imports.compiled import COMPILE_SECONDS, Facts, compiled, read_facts, score_codes, worker_of
from firmware.imports.description import describe, scaling_names
from firmware.imports.errors import NotTrusted
from firmware.imports.project import Project, read_project
from firmware.imports.sources import read_sources
from firmware.worker import WorkerLimits
from models.backends import quick_backend_names
from models.importing import (
    NATIVE_CODE_BACKEND,
    SEED,
    ImportedVersion,
    NewVersion,
    Reference,
    network_files,
    write_version,
)
from models.layouts import LayoutName, network_inputs
from models.manifest import Imported, NativeCode
from models.network import Network
from models.network_document import NetworkInputs
from models.reference import inputs_to_compare, reference_scores
from models.repository_changes import check_free
from triggers.errors import FileMissing, L1ChainError

_LAYERS_FOLDER: Final = "NN"
_LAYOUTS: Final[Mapping[int, LayoutName]] = {57: "axol1tl-57", 252: "cicada-252"}
"""What inputs of that number are, unless another list is named."""
_PRECISION: Final = "bit-exact: the imported C++ decides; every other backend gives its scores, or refuses"


@dataclass(frozen=True)
class ProjectOptions:
    """What a user may state about a project.

    Attributes:
        trust: that its code may be compiled and run.
        top: the top-level function.
        namespace: in which it is.
        layout: which quantities its inputs are; AXOL1TL's 57 and CICADA's 252 if they are so many.
        score: the score, where no emulator class makes it.
        includes: folders of headers, before those of the installed hls4ml.
        compile_seconds: that compiling may take.
        batch_seconds: that a batch may take.
    """

    trust: bool = False
    top: str | None = None
    namespace: str | None = None
    layout: LayoutName | None = None
    score: BridgeOptions = field(default_factory=BridgeOptions)
    includes: Sequence[Path] = ()
    compile_seconds: float = COMPILE_SECONDS
    batch_seconds: int = WorkerLimits().seconds


def import_project(folder: Path, new: NewVersion, options: ProjectOptions) -> ImportedVersion:
    """Compile an hls4ml project, describe it where its layers allow, compare, and write a version.

    Args:
        folder: of one model: with an emulator class, or with the layers alone.
        new: the version to write.
        options: what the user states.

    Raises:
        BadValue, VersionExists: as `check_free`.
        FileMissing, FileUnreadable: there is no such folder, or it cannot be read.
        ProjectInvalid: it is no hls4ml project, or something of it has to be stated.
        NotTrusted: the user does not say that its code may run.
        CompilerMissing, HeadersMissing, CompileFailed, CompileLimitReached, LibraryUnusable, WorkerFailed: its code
            does not compile or run, or takes too long.
    """
    check_free(new.repository, new.name, new.version)
    if not folder.is_dir():
        raise FileMissing(folder, "folder")
    folder = _whole(folder)
    project = read_project(read_sources(folder), str(folder), options.top, options.namespace)
    if not options.trust:
        raise NotTrusted(folder)
    files = bundled(project, options.includes, options.score)
    library = compiled(files, options.compile_seconds)
    limits = WorkerLimits(seconds=options.batch_seconds)
    facts = read_facts(library, folder, limits)
    layout = options.layout or _LAYOUTS.get(facts.n_inputs)
    inputs = network_inputs(layout, facts.n_inputs, facts.input_type)
    given = inputs_to_compare(inputs, facts.n_inputs, SEED)
    with worker_of(library, SCORE_FUNCTION, facts, limits) as worker:
        reference = Reference(given, score_codes(worker, facts, given))
    network, why_not = _described(project, inputs, facts, reference, options)
    content = packed(files)
    kept = {BUNDLE_FILE: content} | (network_files(network) if network else {})
    imported = Imported(file=folder.name, sha256=hashlib.sha256(content).hexdigest(), seed=SEED)
    more: dict[str, Any] = {"precision": _PRECISION, "imported": imported}
    if network is None:
        more |= {"native": native_code(facts, layout), "left_out": why_not}
    described = f"{project.top.name} of {folder.name}, an hls4ml project"
    stated = new.stated(described, facts.score_type.code_range[1], **more)
    backends = [*(quick_backend_names() if network else ()), NATIVE_CODE_BACKEND]
    return write_version(new, stated, kept, reference, backends)


def _whole(folder: Path) -> Path:
    """The folder with the emulator and the input scaling, if that of the layers alone is named."""
    around = folder.resolve().parent
    whole = folder.name == _LAYERS_FOLDER and any((around / name).is_file() for name in ("scales.h", "Makefile"))
    return around if whole else folder.resolve()


def native_code(facts: Facts, layout: LayoutName | None) -> NativeCode:
    """What a manifest says of code that no network description stands for."""
    return NativeCode.model_validate(
        {
            "layout": layout,
            "n_inputs": facts.n_inputs,
            "input_type": facts.input_type,
            "score_type": facts.score_type,
        }
    )


def _described(
    project: Project, inputs: NetworkInputs, facts: Facts, reference: Reference, options: ProjectOptions
) -> tuple[Network | None, str | None]:
    """The project as a network that gives the compiled scores; else why there is none."""
    squared = is_squared(project, options.score)
    scaled = scaling_names(project) is not None
    try:
        network = describe(project, project.top.name, inputs, facts.score_type, squared=squared, scaled=scaled)
    except L1ChainError as error:
        return None, str(error)
    differing = int((reference_scores(network, reference.inputs) != reference.scores).sum())
    if differing:
        return None, f"what was read gives other scores for {differing} of {len(reference.scores)} inputs"
    return network, None
