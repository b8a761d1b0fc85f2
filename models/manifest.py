"""What is written about a model version: `manifest.yaml` (`docs/models.md`, "Manifest")."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    RootModel,
    StringConstraints,
    ValidationError,
    model_validator,
)

from models.errors import ManifestInvalid
from models.inputs import N_INPUTS, InputLayout
from models.scaling import InputScaling
from models.scores import Score

MANIFEST_FILE: Final = "manifest.yaml"
ONNX_FILE: Final = "network.onnx"
REFERENCE_FILE: Final = "reference.npz"

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""A name that is also one path component: of a model, version, alias or file."""

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of a file's bytes, hex."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Inputs(_Part):
    """What the network sees.

    Attributes:
        layout: which quantities, in which order.
        scaling: from hardware integers to network inputs.
    """

    layout: InputLayout
    scaling: InputScaling

    @model_validator(mode="after")
    def _one_scale_per_input(self) -> Inputs:
        expected = N_INPUTS[self.layout]
        if len(self.scaling.offset) != expected:
            raise ValueError(f"scaling of {len(self.scaling.offset)} inputs, layout {self.layout} has {expected}")
        return self


class WorkingPoint(_Part):
    """A threshold with a name.

    Attributes:
        threshold: crossings whose score integer is at least this are selected.
        rate_hz: their rate in the calibration sample, at the collision rate that `calibrated_on` states.
        rate_error_hz: its statistical error.
        calibrated_on: the sample.
    """

    threshold: Annotated[int, Field(ge=0)]
    rate_hz: Annotated[FiniteFloat, Field(ge=0)]
    rate_error_hz: Annotated[FiniteFloat, Field(ge=0)]
    calibrated_on: str


class Training(_Part):
    """Where the version comes from.

    Attributes:
        script: what made it.
        sample: the crossings it was trained on.
        settings: the numbers that the script was run with.
        seed: of every random number in it.
        libraries: versions, by distribution name.
    """

    script: str
    sample: str
    settings: dict[str, int | float | str]
    seed: int
    libraries: dict[str, str]


class Manifest(_Part):
    """A model version, as its `manifest.yaml` states it.

    Attributes:
        name: the model, equal to its folder's name.
        version: the version, equal to its folder's name.
        description: one or two sentences for people.
        inputs: what the network sees.
        backend: the backend that runs it unless another one is asked for.
        precision: how exactly backends agree on the score.
        score: how the network's outputs become the menu's integer.
        working_points: thresholds by name.
        training: where it comes from.
        files: SHA-256 of every file of the version, by file name; no other file is loaded.
    """

    name: Name
    version: Name
    description: str
    inputs: Inputs
    backend: Name
    precision: str
    score: Score
    working_points: dict[Name, WorkingPoint]
    training: Training
    files: Annotated[dict[Name, Digest], Field(min_length=1)]

    @model_validator(mode="after")
    def _thresholds_within_score(self) -> Manifest:
        for name, point in self.working_points.items():
            if point.threshold > self.score.largest_integer:
                largest = self.score.largest_integer
                raise ValueError(f"threshold {point.threshold} of '{name}' is beyond the score's end, {largest}")
        return self

    @model_validator(mode="after")
    def _manifest_does_not_list_itself(self) -> Manifest:
        if MANIFEST_FILE in self.files:
            raise ValueError(f"files must not list {MANIFEST_FILE} itself")
        return self


class Aliases(RootModel[dict[Name, Name]]):
    """The names that point to versions of one model, as its `aliases.yaml` states them."""

    model_config = ConfigDict(frozen=True)


_Content = TypeVar("_Content", bound=BaseModel)


def parse_yaml(content: bytes, path: Path, model: type[_Content]) -> _Content:
    """The bytes of a YAML file as `model`.

    Raises:
        ManifestInvalid: they are no YAML, or break a rule of the model; the first broken rule is named.
    """
    try:
        document: Any = yaml.safe_load(content)
        return model.model_validate(document)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ManifestInvalid(path, f"no YAML ({' '.join(str(error).split())})") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise ManifestInvalid(path, f"{f'{where}: ' if where else ''}{first['msg']}{more}") from None


def render_manifest(manifest: Manifest) -> str:
    """The text of `manifest.yaml`: what `parse_yaml` reads back as an equal manifest."""
    document = manifest.model_dump(mode="json")
    return yaml.dump(document, Dumper=_ManifestDumper, sort_keys=False, width=120, allow_unicode=True)


class _ManifestDumper(yaml.SafeDumper):
    """Writes lists in one line each, so that 57 offsets do not take 57 lines."""


def _flow_list(dumper: yaml.SafeDumper, values: list[Any]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=True)


_ManifestDumper.add_representer(list, _flow_list)
