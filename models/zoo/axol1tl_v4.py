"""AXOL1TL v4: a variational autoencoder of which the encoder is deployed (`docs/training.md`, "axol1tl_v4")."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from models.layouts import LayoutName
from models.zoo.encoders import EncoderRecipe, Width


class Axol1tlV4(EncoderRecipe):
    """57-28-15-8 as deployed in 2024 and 2025; `hidden: [32, 16]` is the encoder of v3."""

    model: ClassVar[str] = "axol1tl"
    summary: ClassVar[str] = "Variational autoencoder on the 57 inputs of AXOL1TL, encoder only, score Σμ²"
    layout: ClassVar[LayoutName] = "axol1tl-57"

    hidden: Annotated[tuple[Width, ...], Field(strict=False, min_length=1)] = (28, 15)
    latent: Width = 8
