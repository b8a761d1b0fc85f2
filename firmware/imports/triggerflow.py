"""Model archives of CERN's `triggerflow` 0.5: an emulator as a shared object (`docs/models-import.md`)."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tempfile
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firmware.compiler import compile_library, default_cache
from firmware.imports.archive import read_archive
from firmware.imports.errors import ArchiveUnsafe, NotTrusted
from firmware.imports.triggerflow_metadata import (
    FOLDER,
    METADATA_FILE,
    MOST_NUMBERS,
    Metadata,
    default_manifest,
    read_metadata,
)
from firmware.worker import NativeWorker, WorkerLimits
from models.backends.fixed import checked_numbers
from models.backends.version_backend import VersionBackend
from models.errors import ManifestInvalid
from models.float_importing import float_keys, read_float_manifest, reference_layout
from models.importing import NATIVE_CODE_BACKEND, SEED, ImportedVersion, NewVersion, Reference, write_version
from models.manifest import MANIFEST_FILE, Manifest
from models.reference import inputs_to_compare
from models.repository import LoadedVersion
from models.repository_changes import check_free

EMULATOR_FILE: Final = "triggerflow.so"
"""The shared object's name among the files of a version."""
_RUN, _FACTS = "l1chain_run", "l1chain_numbers"
_ELF: Final = b"\x7fELF\x02"
_MACHINES: Final = {"x86_64": 62, "aarch64": 183}
_MACHINE_AT: Final = 18
_SHIM: Final = """
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
static void *symbol(const char *name) {{
    static void *library = dlopen({path}, RTLD_NOW | RTLD_LOCAL);
    void *found = library ? dlsym(library, name) : nullptr;
    if (!found) {{
        std::fprintf(stderr, "%s", dlerror());
        std::exit(1);
    }}
    return found;
}}
static void *model() {{
    static void *made = reinterpret_cast<void *(*)()>(symbol("create_model"))();
    return made;
}}
extern "C" __attribute__((visibility("default"))) void {facts}(const float *, int64_t *out, size_t n) {{
    for (size_t row = 0; row < n; row++, out += 2) {{
        out[0] = reinterpret_cast<int (*)(void *)>(symbol("get_n_inputs"))(model());
        out[1] = reinterpret_cast<int (*)(void *)>(symbol("get_n_outputs"))(model());
    }}
}}
extern "C" __attribute__((visibility("default"))) void {run}(const float *in, float *out, size_t n) {{
    auto run = reinterpret_cast<void (*)(void *, const float *, float *)>(symbol("run_inference"));
    for (size_t row = 0; row < n; row++)
        run(model(), in + row * {n_inputs}, out + row * {n_outputs});
}}
"""


def import_archive(
    path: Path, new: NewVersion, manifest: Path | None, *, trust: bool, batch_seconds: int = WorkerLimits().seconds
) -> ImportedVersion:
    """The emulator of a `triggerflow` archive as a version.

    Args:
        path: of the archive.
        new: the version to write.
        manifest: of inputs and score; without it, inputs are those that the metadata names, without scaling, and the
            score is the one output in units of 1/256.
        trust: that its code may run.
        batch_seconds: that a batch may take.

    Raises:
        ArchiveUnsafe: it is damaged, hostile or too large, or is no such archive.
        NotTrusted: the user does not say that its code may run.
        LibraryUnusable, WorkerFailed: its code cannot be loaded, or crashes, or never ends.
        BadValue, UnknownName, FileMissing, FileUnreadable: the manifest is wrong, or a file is missing.
    """
    check_free(new.repository, new.name, new.version)
    files = read_archive(path, _is_wanted)
    metadata = read_metadata(path, files)
    stated = read_float_manifest(manifest, path) if manifest is not None else default_manifest(path, metadata)
    emulator = _emulator(path, files, metadata)
    if not trust:
        raise NotTrusted(path)
    if len(stated.inputs.listed) != metadata.n_inputs:
        what = f"states {metadata.n_inputs} inputs, and {len(stated.inputs.listed)} are described"
        raise ArchiveUnsafe(path, what, "describe all of them in a file named with --manifest")
    limits = WorkerLimits(seconds=batch_seconds)
    given = inputs_to_compare(reference_layout(stated.inputs), metadata.n_inputs, SEED)
    more = float_keys(stated, path.name, emulator)
    sentence = f"{metadata.name}, a triggerflow archive ({metadata.maker}){metadata.decision}"
    keys = new.stated(sentence, stated.score.largest_integer, **more)
    digest = {EMULATOR_FILE: hashlib.sha256(emulator).hexdigest()}
    tried = Manifest(**keys, backend=NATIVE_CODE_BACKEND, files=digest)
    backend = TriggerflowBackend(
        LoadedVersion(tried, path, digest="", files={EMULATOR_FILE: emulator}), limits, metadata
    )
    try:
        reference = Reference(given, backend.score_inputs(given))
    finally:
        backend.close()
    return write_version(new, keys, {EMULATOR_FILE: emulator}, reference, [NATIVE_CODE_BACKEND])


class TriggerflowBackend(VersionBackend):
    """Scores crossings with a version's `triggerflow` emulator, in a worker process of this backend's own."""

    def __init__(
        self, version: LoadedVersion, limits: WorkerLimits | None = None, metadata: Metadata | None = None
    ) -> None:
        """Starts the process.

        Raises:
            FileNotListed, ManifestInvalid: the version has no emulator, inputs or score.
            CompilerMissing, LibraryUnusable, WorkerFailed: the code cannot be loaded, or crashes.
        """
        stated = version.manifest
        if stated.inputs is None or stated.score is None:
            raise ManifestInvalid(version.folder / MANIFEST_FILE, f"states no inputs and score of {EMULATOR_FILE}")
        super().__init__(version)
        self._inputs, self._score = stated.inputs, stated.score
        emulator = _stored(version.file(EMULATOR_FILE, "backend hls4ml"))
        limits = limits or WorkerLimits()
        n_inputs = len(stated.inputs.listed)
        n_outputs = _numbers(emulator, version.folder, limits, n_inputs, metadata)
        self._worker: Final = NativeWorker(
            _shim(emulator, n_inputs, n_outputs),
            _RUN,
            n_inputs=n_inputs,
            n_outputs=n_outputs,
            input_dtype=np.float32,
            output_dtype=np.float32,
            limits=limits,
        )

    def score_inputs(self, inputs: ArrayLike) -> NDArray[np.int64]:
        """The menu's score integer `(n,) int64` of inputs `(n, n_inputs)` in hardware units.

        Raises:
            InputsInvalid: the inputs are not finite numbers of that shape.
            WorkerFailed: the code crashed or never ended.
        """
        values = checked_numbers(len(self._inputs.listed), inputs)
        outputs = self._worker.score(np.ascontiguousarray(self._inputs.rule.apply(values)))
        return self._score.integers(outputs).astype(np.int64)

    def close(self) -> None:
        """End the process."""
        self._worker.close()


def _is_wanted(name: str) -> bool:
    return PurePosixPath(name).name == METADATA_FILE or name.endswith(".so")


def _emulator(path: Path, files: dict[str, bytes], metadata: Metadata) -> bytes:
    """The one shared object of the emulator, for this machine."""
    found = [name for name in files if name.startswith(f"{FOLDER}/emulator/") and name.endswith(".so")]
    own = [name for name in found if PurePosixPath(name).stem == metadata.name] or found
    if len(own) != 1:
        what = f"holds {len(own)} shared objects in {FOLDER}/emulator"
        raise ArchiveUnsafe(path, what, "name an archive with one emulator; its Keras model can be imported by itself")
    content = files[own[0]]
    machine = int.from_bytes(content[_MACHINE_AT : _MACHINE_AT + 2], "little")
    if not content.startswith(_ELF) or machine != _MACHINES.get(platform.machine(), machine):
        raise ArchiveUnsafe(
            path, f"{own[0]} is no shared object for {platform.machine()}", "compile it for this machine"
        )
    return content


def _stored(content: bytes) -> Path:
    """The shared object on disk, in this account's own folder, under the digest of its bytes."""
    folder = default_cache() / "imported"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{hashlib.sha256(content).hexdigest()}.so"
    if not path.is_file() or path.read_bytes() != content:
        descriptor, partial = tempfile.mkstemp(dir=folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(partial).replace(path)
    return path


def _shim(emulator: Path, n_inputs: int, n_outputs: int) -> Path:
    """The shared object between the worker and the emulator's functions."""
    text = _SHIM.format(path=json.dumps(str(emulator)), facts=_FACTS, run=_RUN, n_inputs=n_inputs, n_outputs=n_outputs)
    with tempfile.TemporaryDirectory(prefix="l1chain-import-") as work:
        source = Path(work, "shim.cpp")
        source.write_text(text, encoding="utf-8")
        return compile_library([source], [])


def _numbers(emulator: Path, where: Path, limits: WorkerLimits, n_inputs: int, metadata: Metadata | None) -> int:
    """How many outputs the emulator has; its inputs, and what the metadata says, must agree.

    Raises:
        ArchiveUnsafe: they do not.
    """
    library = _shim(emulator, n_inputs, 1)
    with NativeWorker(
        library, _FACTS, n_inputs=1, n_outputs=2, input_dtype=np.float32, batch_rows=1, limits=limits
    ) as worker:
        found = [int(number) for number in worker.score(np.zeros((1, 1), np.float32))[0]]
    wanted = [n_inputs, metadata.n_outputs if metadata else found[1]]
    if found != wanted or not 0 < found[1] <= MOST_NUMBERS:
        what = f"its emulator has {found[0]} inputs and {found[1]} outputs, not {wanted[0]} and {wanted[1]}"
        raise ArchiveUnsafe(where, what)
    return found[1]
