"""The written form of a network, `l1chain-network/1`, as pydantic models (`docs/networks.md`).

`models/network.schema.json` is the same as JSON Schema: `python -m models.network_document` prints it.
"""

from __future__ import annotations

import json
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from models.network_fields import (
    MOST_ELEMENTS,
    MOST_LAYERS,
    Kernel,
    List,
    Matrix,
    OneType,
    Pair,
    Size,
    TensorName,
    TwoNames,
    Types,
    Vector,
    Word,
)
from models.network_layers import Padding
from triggers.strict_yaml import StrictModel

SCHEMA_NAME: Final = "l1chain-network/1"


class InputElement(StrictModel):
    """One input.

    Attributes:
        object: of which object, such as `met`, `eg`, `muon`, `jet`.
        rank: which one, the leading one being 0.
        quantity: such as `pt`, `eta`, `phi`.
        unit: `hw`: the hardware integer; `hw >> 1`: halved, the half lost; `GeV`, `rad`, `1`: physical.
    """

    object: Word
    rank: Annotated[int, Field(ge=0, le=MOST_ELEMENTS)] = 0
    quantity: Word
    unit: Literal["hw", "hw >> 1", "GeV", "rad", "1"]


class RegionGrid(StrictModel):
    """Calorimeter regions as an image of one channel; input number = `columns` · iphi + ieta.

    Attributes:
        rows: number of iphi.
        columns: number of ieta.
        quantity: such as `et`.
        unit: as in `InputElement`.
    """

    rows: Size
    columns: Size
    quantity: Word = "et"
    unit: Literal["hw", "hw >> 1", "GeV", "1"] = "hw"


class NetworkInputs(StrictModel):
    """What a network sees of a crossing; either `elements` or `regions`.

    Attributes:
        tensor: the name by which layers read it, after the scaling.
        elements: the inputs in hardware order.
        regions: an image instead.
        type: what every given number is converted to first.
    """

    tensor: TensorName
    elements: (
        Annotated[tuple[InputElement, ...], Field(strict=False, min_length=1, max_length=MOST_ELEMENTS)] | None
    ) = None
    regions: RegionGrid | None = None
    type: OneType


class IntegerScaling(StrictModel):
    """x′ = (x − offset)·2^−shift for each input, converted step by step (`docs/networks.md`, "Input scaling").

    Attributes:
        unscaled_type: x, x − offset and x′ are each converted to it.
        offset: subtracted, after conversion to `offset_type`.
        offset_type: of the offsets.
        shift: halvings; negative ones double.
        shift_type: holds the shifts.
        network_input_type: what x′ is converted to at last.
    """

    unscaled_type: OneType
    offset: Vector
    offset_type: OneType
    shift: Annotated[tuple[Annotated[int, Field(ge=-64, le=64)], ...], List]
    shift_type: OneType
    network_input_type: Types


class _OneInput(StrictModel):
    input: TensorName
    output: TensorName
    output_type: Types


class _TwoInputs(StrictModel):
    inputs: TwoNames
    output: TensorName
    output_type: Types


class DenseLayer(_OneInput):
    """A dense layer; `weights[i][j]` leads from input i to output j."""

    op: Literal["dense"]
    weights: Matrix
    bias: Vector
    weight_type: Types
    bias_type: Types
    accumulator_type: OneType


class Conv2DLayer(_OneInput):
    """A convolution of an image (height, width, channels) with `weights[row][column][channel][filter]`."""

    op: Literal["conv2d"]
    weights: Kernel
    bias: Vector
    stride: Pair = (1, 1)
    padding: Annotated[Padding, Field(strict=False)] = Padding.VALID
    weight_type: Types
    bias_type: Types
    accumulator_type: OneType


class ReluLayer(_OneInput):
    """The greater of 0 and the input."""

    op: Literal["relu"]


class LinearLayer(_OneInput):
    """The input in another type; both names mean the same."""

    op: Literal["linear", "quantise"]


class SubtractLayer(_TwoInputs):
    """First minus second input."""

    op: Literal["subtract"]


class AddLayer(_TwoInputs):
    """First plus second input."""

    op: Literal["add"]


class MultiplyLayer(_TwoInputs):
    """First times second input, element by element."""

    op: Literal["multiply"]


class DotLayer(_TwoInputs):
    """The sum over first times second input: one number."""

    op: Literal["dot"]
    accumulator_type: OneType


class ConcatenateLayer(StrictModel):
    """The inputs one after the other along the last axis; without `output_type` elements keep their types."""

    op: Literal["concatenate"]
    inputs: Annotated[tuple[TensorName, ...], Field(strict=False, min_length=1, max_length=MOST_LAYERS)]
    output: TensorName
    output_type: Types | None = None


class ReshapeLayer(StrictModel):
    """The same numbers in C order in another shape."""

    op: Literal["reshape"]
    input: TensorName
    output: TensorName
    shape: Annotated[tuple[Size, ...], Field(strict=False, min_length=1, max_length=3)]


class FlattenLayer(StrictModel):
    """The same numbers in C order (height, width, channel) as a vector."""

    op: Literal["flatten"]
    input: TensorName
    output: TensorName


class TableLayer(StrictModel):
    """A look-up table: `values` in the order of the input's numbers, from its type's least to its greatest."""

    op: Literal["table"]
    input: TensorName
    output: TensorName
    values: Vector
    output_type: OneType


LayerDocument = (
    DenseLayer
    | Conv2DLayer
    | ReluLayer
    | LinearLayer
    | SubtractLayer
    | AddLayer
    | MultiplyLayer
    | DotLayer
    | ConcatenateLayer
    | ReshapeLayer
    | FlattenLayer
    | TableLayer
)


class _Score(StrictModel):
    """What all scores state.

    Attributes:
        of: the tensor they are made of.
        type: of the score; the menu's integer is score · 2^(its fraction bits).
    """

    of: TensorName
    type: OneType


class SumOfSquares(_Score):
    """Σ μᵢ².

    Attributes:
        element_type: what each μ is converted to first, if stated.
        accumulator_type: of the sum, `type` if not stated.
    """

    kind: Literal["sum_of_squares"]
    element_type: Types | None = None
    accumulator_type: OneType | None = None


class SquaredDifference(_Score):
    """Σ (aᵢ − bᵢ)²: the squared reconstruction error.

    Attributes:
        reference: b.
        element_type: what each difference is converted to.
        accumulator_type: of the sum, `type` if not stated.
    """

    kind: Literal["squared_difference"]
    reference: TensorName
    element_type: Types
    accumulator_type: OneType | None = None


class DivergenceScore(_Score):
    """Σ (½·μᵢ² + tᵢ): the Kullback–Leibler divergence, with tᵢ = ½·(σᵢ² − 1 − ln σᵢ²) from a table layer.

    Attributes:
        variance_term: the tensor t.
        element_type: what each μ is converted to first, if stated.
        accumulator_type: of the sum, `type` if not stated.
    """

    kind: Literal["kl"]
    variance_term: TensorName
    element_type: Types | None = None
    accumulator_type: OneType | None = None


class PullScore(_Score):
    """R_z = Σ (μᵢ·ρᵢ)², with ρᵢ = 1/σᵢ from a table layer.

    Attributes:
        inverse_sigma: the tensor ρ.
        element_type: what each μ·ρ is converted to.
        accumulator_type: of the sum, `type` if not stated.
    """

    kind: Literal["r_z"]
    inverse_sigma: TensorName
    element_type: Types
    accumulator_type: OneType | None = None


class Cluster(StrictModel):
    """One cluster: y = x·`weights` + `bias` has unit covariance and mean 0 for its members."""

    weights: Matrix
    bias: Vector


class MahalanobisScore(_Score):
    """The geometric mean of the Mahalanobis distances to all clusters.

    Attributes:
        clusters: their whitening transformations.
        weight_type: of their weights.
        bias_type: of their biases.
        accumulator_type: of the whitening.
        element_type: of each whitened number.
        distance_type: of each squared distance, and of its sum.
    """

    kind: Literal["mahalanobis"]
    clusters: Annotated[tuple[Cluster, ...], Field(strict=False, min_length=1, max_length=64)]
    weight_type: Types
    bias_type: Types
    accumulator_type: OneType
    element_type: Types
    distance_type: OneType


class NetworkOutput(_Score):
    """The one number that the network gives.

    Attributes:
        element_type: what it is converted to first, if stated.
    """

    kind: Literal["network_output"]
    element_type: Types | None = None


ScoreDocument = SumOfSquares | SquaredDifference | DivergenceScore | PullScore | MahalanobisScore | NetworkOutput


class NetworkDocument(StrictModel):
    """A network as it is written, without the key `schema` that names the form.

    Attributes:
        name: for people.
        note: for people.
        inputs: what it sees.
        scaling: from the inputs to the first layer, if any.
        layers: in any order; each is named by its output.
        score: from the layers to the menu's integer.
    """

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    note: Annotated[str, StringConstraints(max_length=10_000)] | None = None
    inputs: NetworkInputs
    scaling: IntegerScaling | None = None
    layers: Annotated[
        tuple[Annotated[LayerDocument, Field(discriminator="op")], ...], Field(strict=False, max_length=MOST_LAYERS)
    ]
    score: Annotated[ScoreDocument, Field(discriminator="kind")]

    def to_json(self) -> bytes:
        """The canonical text, UTF-8: equal documents give equal bytes."""
        content = {"schema": SCHEMA_NAME} | self.model_dump(mode="json", exclude_none=True)
        return (json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n").encode()


def json_schema() -> str:
    """The text of `models/network.schema.json`."""
    schema = NetworkDocument.model_json_schema()
    schema["properties"] = {"schema": {"const": SCHEMA_NAME}} | schema["properties"]
    schema["required"] = ["schema", *schema["required"]]
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(json_schema())
