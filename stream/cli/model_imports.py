"""`l1chain models import`: a network description, a C++ project, an archive, or a trained model becomes a version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli.model_versions import RepositoryOption, print_outcomes
from stream.cli.output import JsonOption

if TYPE_CHECKING:
    from models.importing import ImportedVersion, NewVersion
    from models.manifest import WorkingPoint


_ARCHIVES = (".tar.xz", ".txz", ".tar")
_KERAS = (".keras", ".h5", ".hdf5")
_ONNX = ".onnx"
_CODE = "For C++"
_TRAINED = "For trained models"


def import_version(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            help="Network description (JSON), folder of an hls4ml project, triggerflow archive (.tar.xz), "
            "ONNX graph (.onnx), Keras or HGQ2 model (.keras, .h5).",
        ),
    ],
    name: Annotated[str, typer.Option(help="Name of the model.")],
    version: Annotated[str, typer.Option(help="Name of the new version.")],
    repository: RepositoryOption = None,
    description: Annotated[str | None, typer.Option(help="For people. [default: what is imported says]")] = None,
    working_point: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=THRESHOLD:RATE_HZ", help="A threshold and the rate it gives; any number of times."),
    ] = None,
    calibrated_on: Annotated[str, typer.Option(help="The crossings that the rates are of.")] = "not stated",
    all_backends: Annotated[
        bool, typer.Option("--all-backends", help="Compare hls4ml too, which compiles for some seconds.")
    ] = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="Native code may be compiled and run.", rich_help_panel=_CODE)
    ] = False,
    top: Annotated[str | None, typer.Option(help="Top-level function.", rich_help_panel=_CODE)] = None,
    namespace: Annotated[str | None, typer.Option(help="The namespace it is in.", rich_help_panel=_CODE)] = None,
    include: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Folder of headers; any number of times.", rich_help_panel=_CODE),
    ] = None,
    inputs: Annotated[
        str | None, typer.Option(help="Named list of inputs, such as axol1tl-57.", rich_help_panel=_CODE)
    ] = None,
    score: Annotated[
        str | None,
        typer.Option(help="output or sum_of_squares, where no emulator makes it.", rich_help_panel=_CODE),
    ] = None,
    score_type: Annotated[
        str | None, typer.Option(help="Its type, such as 'ap_ufixed<18,14>'.", rich_help_panel=_CODE)
    ] = None,
    compile_seconds: Annotated[
        float, typer.Option(min=1.0, help="Time that compiling may take.", rich_help_panel=_CODE)
    ] = 300.0,
    batch_seconds: Annotated[int, typer.Option(min=1, help="Time that a batch may take.", rich_help_panel=_CODE)] = 30,
    manifest: Annotated[
        Path | None,
        typer.Option(help="YAML file with inputs, score, tolerance.", rich_help_panel=_TRAINED),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a version of a network, a C++ project or a trained model, and compare the backends on reference inputs."""
    from models.importing import NewVersion, import_network
    from models.repository import open_repository

    points = dict(_working_point(text, calibrated_on) for text in working_point or [])
    opened = open_repository(repository, make=True)
    new = NewVersion(opened, name, version, description, points)
    if path.is_dir():
        from firmware.imports.importing import ProjectOptions, import_project

        options = ProjectOptions(
            trust=trust,
            top=top,
            namespace=namespace,
            layout=_layout(inputs),
            score=_score(score, score_type),
            includes=tuple(include or ()),
            compile_seconds=compile_seconds,
            batch_seconds=batch_seconds,
        )
        made = import_project(path, new, options)
    elif path.name.endswith(_ARCHIVES):
        from firmware.imports.triggerflow import import_archive

        made = import_archive(path, new, manifest, trust=trust, batch_seconds=batch_seconds)
    elif path.suffix in (_ONNX, *_KERAS):
        made = _import_trained(path, new, manifest, all_backends=all_backends)
    else:
        made = import_network(path, opened, name, version, description, points, all_backends=all_backends)
    _print(made, f"{name}/{version}", as_json)


def _import_trained(path: Path, new: NewVersion, manifest: Path | None, *, all_backends: bool) -> ImportedVersion:
    if path.suffix == _ONNX:
        from models.float_importing import import_onnx

        return import_onnx(path, new, manifest)
    from models.training.keras_importing import import_keras

    return import_keras(path, new, manifest, all_backends=all_backends)


def _print(made: ImportedVersion, label: str, as_json: bool) -> None:
    from stream.cli.output import console, print_json

    rows: list[dict[str, Any]] = [
        {"backend": o.backend, "crossings": o.crossings, "differing": o.differing, "why_not": o.why_not}
        for o in made.outcomes
    ]
    left_out = made.manifest.left_out
    if as_json:
        print_json(
            {
                "model": label,
                "folder": str(made.folder),
                "backend": made.manifest.backend,
                "left_out": left_out,
                "compared": rows,
            }
        )
        return
    out = console()
    out.print(f"{label} written to {made.folder}, to be run by {made.manifest.backend}", soft_wrap=True)
    if left_out:
        out.print(f"There is no network description: {left_out}", soft_wrap=True, markup=False)
    print_outcomes([{"model": label, **row} for row in rows])


def _layout(name: str | None) -> Any:
    from typing import get_args

    from models.layouts import LayoutName
    from triggers.errors import UnknownName

    if name is not None and name not in get_args(LayoutName):
        raise UnknownName("--inputs", "list of inputs", name, get_args(LayoutName))
    return name


def _score(kind: str | None, type_text: str | None) -> Any:
    from firmware.imports.bridge import BridgeOptions
    from models.fixed_point import NETWORK_BITS, FixedPoint
    from models.scores import ScoreKind
    from triggers.errors import BadValue, UnknownName

    if kind is not None and kind not in list(ScoreKind):
        raise UnknownName("--score", "score", kind, ScoreKind)
    try:
        kind_of_score = None if type_text is None else str(FixedPoint.parse(type_text, NETWORK_BITS))
    except ValueError as error:
        raise BadValue("--score-type", str(error), "write e.g. 'ap_ufixed<18,14>'") from None
    return BridgeOptions(None if kind is None else kind == ScoreKind.SUM_OF_SQUARES, kind_of_score)


def _working_point(text: str, calibrated_on: str) -> tuple[str, WorkingPoint]:
    from models.manifest import WorkingPoint
    from models.repository_changes import check_name
    from triggers.errors import BadValue
    from triggers.strict_yaml import validated

    where = f"--working-point {text}"
    name, _, numbers = text.partition("=")
    threshold, _, rate_hz = numbers.partition(":")
    try:
        stated = {"threshold": int(threshold), "rate_hz": float(rate_hz), "calibrated_on": calibrated_on}
    except ValueError:
        raise BadValue(where, "is not of the form NAME=THRESHOLD:RATE_HZ", "write e.g. nominal=700:500") from None
    check_name("working point", name)
    return name, validated(stated, where, WorkingPoint)
