"""The one event format: what the hardware's links carry, as an Arrow schema (`docs/architecture.md`, rule 1)."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

SLOTS_PER_ORBIT: Final = 3564
ORBITS_PER_SECOND: Final = 11_245.5
ALGORITHM_SLOTS: Final = 512
ALGORITHM_WORDS: Final = ALGORITHM_SLOTS // 64
MAX_BX_OFFSET: Final = 2
N_MUONS: Final = 8
N_CALO_OBJECTS: Final = 12
N_SUMS: Final = 12
N_EXTERNAL_WORDS: Final = 4
N_REGIONS: Final = 252


def _words(item: pa.DataType, n: int) -> pa.DataType:
    return pa.list_(pa.field("item", item, nullable=False), n)


TIME_FIELDS: Final = (
    pa.field("run", pa.uint32(), nullable=False),
    pa.field("lumi_section", pa.uint32(), nullable=False),
    pa.field("orbit", pa.uint32(), nullable=False),
    pa.field("bx", pa.uint16(), nullable=False),
    pa.field("event", pa.uint64(), nullable=False),
)
OBJECT_FIELDS: Final = (
    pa.field("muon", _words(pa.uint64(), N_MUONS), nullable=False),
    pa.field("eg", _words(pa.uint32(), N_CALO_OBJECTS), nullable=False),
    pa.field("tau", _words(pa.uint32(), N_CALO_OBJECTS), nullable=False),
    pa.field("jet", _words(pa.uint32(), N_CALO_OBJECTS), nullable=False),
    pa.field("sums", _words(pa.uint32(), N_SUMS), nullable=False),
    pa.field("external", _words(pa.uint64(), N_EXTERNAL_WORDS), nullable=False),
)
OPTIONAL_FIELDS: Final = (
    pa.field("regions", _words(pa.uint16(), N_REGIONS), nullable=False),
    pa.field("pileup", pa.float32(), nullable=False),
    pa.field("weight", pa.float32(), nullable=False),
    pa.field("process", pa.dictionary(pa.int32(), pa.string()), nullable=False),
    pa.field("expected", _words(pa.uint64(), ALGORITHM_WORDS), nullable=False),
    pa.field("expected_known", _words(pa.uint64(), ALGORITHM_WORDS), nullable=False),
    pa.field("context", pa.bool_(), nullable=False),
)

REQUIRED: Final = pa.schema([*TIME_FIELDS, *OBJECT_FIELDS])
"""The columns that every crossing has."""

FULL: Final = pa.schema([*TIME_FIELDS, *OBJECT_FIELDS, *OPTIONAL_FIELDS])
"""All columns that the format knows, in their fixed order."""

OBJECT_COLUMNS: Final = tuple(field.name for field in OBJECT_FIELDS)
TIME_COLUMNS: Final = tuple(field.name for field in TIME_FIELDS)


def schema_with(optional: tuple[str, ...]) -> pa.Schema:
    """The required columns and the named optional ones, in the fixed order.

    Raises:
        KeyError: a name is no optional column (a programming error).
    """
    wanted = {FULL.field(name).name for name in optional}
    return pa.schema([field for field in FULL if field.name in wanted or field.name in REQUIRED.names])


def numpy_dtype(kind: pa.DataType) -> np.dtype[np.generic]:
    """The NumPy dtype of a number type, or of the items of a fixed-size list."""
    item = kind.value_type if pa.types.is_fixed_size_list(kind) else kind
    return np.dtype("bool" if pa.types.is_boolean(item) else "float32" if pa.types.is_float32(item) else str(item))
