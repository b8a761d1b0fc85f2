"""What is written about a model version: `manifest.yaml` (`docs/models.md`, "Manifest")."""

from __future__ import annotations

from typing import Annotated, Any, Final

import yaml
from pydantic import Field, FiniteFloat, StringConstraints, model_validator

from models.distribution import ScoreDistribution
from models.fixed_point import FixedPointText
from models.layouts import LayoutName, named_elements, network_inputs
from models.network import NETWORK_FILE
from models.network_document import InputElement, NetworkInputs
from models.network_fields import MOST_ELEMENTS
from models.scaling import FloatScaling, InputScaling
from models.scores import Score
from triggers.events.schema import SLOTS_PER_ORBIT
from triggers.strict_yaml import StrictModel

MANIFEST_FILE: Final = "manifest.yaml"
ONNX_FILE: Final = "network.onnx"
REFERENCE_FILE: Final = "reference.npz"

COLLIDING_BUNCHES: Final = 2544
"""Of a full beam: what rates are of unless something else is said."""

NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""A name that is also one path component: of a model, version, alias or file."""

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of a file's bytes, hex."""


_Elements = Annotated[tuple[InputElement, ...], Field(strict=False, min_length=1, max_length=MOST_ELEMENTS)]


class Inputs(StrictModel):
    """What an ONNX graph, or other code without a network description, sees.

    Attributes:
        layout: which quantities, in which order, as a list that has a name;
        elements: or one by one.
        scaling: from hardware integers to network inputs of a fixed-point type;
        float_scaling: or to floats.
    """

    layout: LayoutName | None = None
    elements: (
        Annotated[tuple[InputElement, ...], Field(strict=False, min_length=1, max_length=MOST_ELEMENTS)] | None
    ) = None
    scaling: InputScaling | None = None
    float_scaling: FloatScaling | None = None

    @model_validator(mode="after")
    def _one_of_each(self) -> Inputs:
        if (self.layout is None) == (self.elements is None):
            raise ValueError("state either 'layout' or 'elements'")
        if (self.scaling is None) == (self.float_scaling is None):
            raise ValueError("state either 'scaling' or 'float_scaling'")
        return self

    @model_validator(mode="after")
    def _one_scale_per_input(self) -> Inputs:
        expected = len(self.listed)
        name = self.layout or "elements"
        if self.scaling is not None and len(self.scaling.offset) != expected:
            raise ValueError(f"scaling of {len(self.scaling.offset)} inputs, layout {name} has {expected}")
        for stated in (self.float_scaling.offset, self.float_scaling.factor) if self.float_scaling else ():
            if len(stated) not in (1, expected):
                raise ValueError(f"float_scaling of {len(stated)} inputs, {name} has {expected}")
        return self

    @property
    def listed(self) -> tuple[InputElement, ...]:
        """The quantities one by one."""
        return self.elements or (() if self.layout is None else named_elements(self.layout))

    @property
    def rule(self) -> InputScaling | FloatScaling:
        """The scaling that is stated."""
        rule = self.scaling or self.float_scaling
        return FloatScaling() if rule is None else rule


class WorkingPoint(StrictModel):
    """A threshold with a name.

    Attributes:
        threshold: crossings whose score integer is at least this are selected.
        rate_hz: their rate in the calibration sample.
        rate_error_hz: its statistical error, if known.
        calibrated_on: the sample.
        colliding_bunches: that the rate is of.
        is_pure: whether it leaves out the crossings that a cut-based menu selects too.
    """

    threshold: Annotated[int, Field(ge=0)]
    rate_hz: Annotated[FiniteFloat, Field(ge=0)]
    rate_error_hz: Annotated[FiniteFloat, Field(ge=0)] | None = None
    calibrated_on: str
    colliding_bunches: Annotated[int, Field(ge=1, le=SLOTS_PER_ORBIT)] = COLLIDING_BUNCHES
    is_pure: bool = False

    @property
    def full_beam_hz(self) -> float | None:
        """The total rate at `COLLIDING_BUNCHES`; None if only the pure one is known."""
        return None if self.is_pure else self.rate_hz * COLLIDING_BUNCHES / self.colliding_bunches


class Training(StrictModel):
    """How a version was trained.

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


class Imported(StrictModel):
    """The network description that a version was imported from.

    Attributes:
        file: its name.
        sha256: of its bytes.
        seed: of the reference inputs.
    """

    file: str
    sha256: Digest
    seed: int


class Comparison(StrictModel):
    """How a backend compared with `fixed` on the reference inputs, when the version was imported.

    Attributes:
        crossings: reference inputs.
        differing: those with another score.
    """

    crossings: Annotated[int, Field(ge=0)]
    differing: Annotated[int, Field(ge=0)]


class NativeCode(StrictModel):
    """Native code that a version runs by backend `hls4ml`, and that no network description stands for.

    Attributes:
        layout: which quantities its inputs are, if they stand in packed words.
        n_inputs: how many numbers it is given.
        input_type: what each of them is converted to first.
        score_type: of its score, whose codes are the menu's integers.
    """

    layout: LayoutName | None = None
    n_inputs: Annotated[int, Field(ge=1, le=1 << 16)]
    input_type: FixedPointText
    score_type: FixedPointText

    @property
    def inputs(self) -> NetworkInputs:
        """As a network description states them."""
        return network_inputs(self.layout, self.n_inputs, self.input_type)


class Manifest(StrictModel):
    """A model version, as its `manifest.yaml` states it.

    Attributes:
        name: the model, equal to its folder's name.
        version: the version, equal to its folder's name.
        description: one or two sentences for people.
        inputs: what the network sees; with a `network.json`, that file states it.
        backend: the backend that runs it unless another one is asked for.
        precision: how exactly backends agree on the score.
        score: how the network's outputs become the menu's integer; with a `network.json`, that file states it.
        working_points: thresholds by name.
        histogram: how scores were distributed over a sample; drift is measured against it.
        native: what is known of native code that stands for itself.
        tolerance: by how many integers backends may differ from the reference; none, for fixed point.
        left_out: why there is no network description of what was imported.
        training: how it was trained, if known.
        imported: what it was imported from, if it was.
        compared: by backend, how its scores compared at import.
        files: SHA-256 of every file of the version, by file name; no other file is loaded.
    """

    name: Name
    version: Name
    description: str
    inputs: Inputs | None = None
    backend: Name
    precision: str
    score: Score | None = None
    working_points: dict[Name, WorkingPoint] = Field(default_factory=dict)
    histogram: ScoreDistribution | None = None
    native: NativeCode | None = None
    tolerance: Annotated[int, Field(ge=0)] = 0
    left_out: str | None = None
    training: Training | None = None
    imported: Imported | None = None
    compared: dict[Name, Comparison] = Field(default_factory=dict)
    files: Annotated[dict[Name, Digest], Field(min_length=1)]

    @model_validator(mode="after")
    def _inputs_and_score_stand_once(self) -> Manifest:
        for key, stated in (("inputs", self.inputs), ("score", self.score)):
            if NETWORK_FILE in self.files and stated is not None:
                raise ValueError(f"remove '{key}', which {NETWORK_FILE} states")
            if self.native is not None and stated is not None:
                raise ValueError(f"remove '{key}', which native code rules")
            if NETWORK_FILE not in self.files and stated is None and self.native is None:
                raise ValueError(f"state '{key}', as there is no {NETWORK_FILE} that does")
        if self.native is not None and NETWORK_FILE in self.files:
            raise ValueError(f"remove 'native', which {NETWORK_FILE} states")
        return self

    @model_validator(mode="after")
    def _thresholds_within_score(self) -> Manifest:
        if self.score is not None:
            self.check_thresholds(self.score.largest_integer)
        if self.native is not None:
            self.check_thresholds(self.native.score_type.code_range[1])
        return self

    @model_validator(mode="after")
    def _manifest_does_not_list_itself(self) -> Manifest:
        if MANIFEST_FILE in self.files:
            raise ValueError(f"files must not list {MANIFEST_FILE} itself")
        return self

    def check_thresholds(self, largest: int) -> None:
        """Compare the working points with the greatest integer that the score can be.

        Raises:
            ValueError: one is beyond it.
        """
        for name, point in self.working_points.items():
            if point.threshold > largest:
                raise ValueError(f"threshold {point.threshold} of '{name}' is beyond the score's end, {largest}")


def render_manifest(manifest: Manifest) -> str:
    """The text of `manifest.yaml`: what `triggers.strict_yaml.read_yaml` reads back as an equal manifest."""
    document = manifest.model_dump(mode="json", exclude_defaults=True)
    return yaml.dump(document, Dumper=_ManifestDumper, sort_keys=False, width=120, allow_unicode=True)


class _ManifestDumper(yaml.SafeDumper):
    """Writes lists in one line each, so that 57 offsets do not take 57 lines."""


def _flow_list(dumper: yaml.SafeDumper, values: list[Any]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=True)


_ManifestDumper.add_representer(list, _flow_list)
