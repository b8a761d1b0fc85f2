"""The inputs of the networks, taken from the packed words of a crossing (`docs/models.md`, "Inputs").

Every input is a bit field of a word, so a table with one entry per value of that field gives any function of it
exactly: the hardware integer itself, or the scaled network input.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from models.errors import InputsInvalid
from models.scaling import InputScaling
from triggers.events import packing, schema


class InputLayout(StrEnum):
    """What the inputs of a network are, and in which order."""

    AXOL1TL = "axol1tl-57"
    """ETM, 4 EG, 4 muons, 10 jets, each as halved transverse momentum, eta, phi."""


N_INPUTS: Final = {InputLayout.AXOL1TL: 57}
NEEDED_COLUMNS: Final = {InputLayout.AXOL1TL: ("muon", "eg", "jet", "sums")}
"""The columns of the event format that a layout is made from."""

_ETM_WORD, _ETM = packing.SUMS["etm"]
_ETM_PHI = packing.SUMS["etm_phi"][1]
_NO_FIELD: Final = packing.Field(0, 0)


def _halved(field: packing.Field) -> packing.Field:
    """The field without its lowest bit: the value divided by two, halves lost."""
    return packing.Field(field.shift + 1, field.bits - 1)


def _object_fields(column: str, momentum: str) -> tuple[packing.Field, ...]:
    fields = packing.OBJECTS[column]
    return _halved(fields[momentum]), fields["eta"], fields["phi"]


_FIELDS: Final = (
    (_halved(_ETM), _NO_FIELD, _ETM_PHI)
    + 4 * _object_fields("eg", "et")
    + 4 * _object_fields("muon", "pt")
    + 10 * _object_fields("jet", "et")
)
_FIRST_ENTRY: Final = tuple(int(n) for n in np.cumsum([0, *(1 << field.bits for field in _FIELDS)]))
"""Where the table of each input begins; the last number is the length of all tables together."""


class _Objects(NamedTuple):
    """Where the kernel finds the objects of one type and their tables; compiled in as constants."""

    n_objects: int
    first_input: int
    first_entry: int
    entries_per_object: int
    eta_entry: int
    phi_entry: int
    momentum_shift: int
    momentum_mask: int
    eta_shift: int
    eta_mask: int
    phi_shift: int
    phi_mask: int


def _objects(n_objects: int, first_input: int) -> _Objects:
    momentum, eta, phi = _FIELDS[first_input : first_input + 3]
    start, eta_start, phi_start, end = _FIRST_ENTRY[first_input : first_input + 4]
    return _Objects(
        n_objects=n_objects,
        first_input=first_input,
        first_entry=start,
        entries_per_object=end - start,
        eta_entry=eta_start - start,
        phi_entry=phi_start - start,
        momentum_shift=momentum.shift,
        momentum_mask=momentum.mask,
        eta_shift=eta.shift,
        eta_mask=eta.mask,
        phi_shift=phi.shift,
        phi_mask=phi.mask,
    )


_MISSING_ENERGY: Final = _objects(1, 0)
_EGS: Final = _objects(4, 3)
_MUONS: Final = _objects(4, 15)
_JETS: Final = _objects(10, 27)


@numba.njit(nogil=True, cache=True)
def _look_up(words: Any, row: Any, first_word: Any, objects: Any, table: Any, out: Any) -> None:
    for k in range(objects.n_objects):
        word = np.int64(words[row, first_word + k])
        entry = objects.first_entry + k * objects.entries_per_object
        i = objects.first_input + 3 * k
        out[row, i] = table[entry + ((word >> objects.momentum_shift) & objects.momentum_mask)]
        out[row, i + 1] = table[entry + objects.eta_entry + ((word >> objects.eta_shift) & objects.eta_mask)]
        out[row, i + 2] = table[entry + objects.phi_entry + ((word >> objects.phi_shift) & objects.phi_mask)]


@numba.njit(nogil=True, cache=True)
def _fill_rows(muon: Any, eg: Any, jet: Any, sums: Any, table: Any, out: Any) -> None:
    for row in range(len(out)):
        _look_up(sums, row, _ETM_WORD, _MISSING_ENERGY, table, out)
        _look_up(eg, row, 0, _EGS, table, out)
        _look_up(muon, row, 0, _MUONS, table, out)
        _look_up(jet, row, 0, _JETS, table, out)


def _values(index: int) -> NDArray[np.int64]:
    """Every value of one input in hardware units, in the order of its field's bits, `(2^bits,)`."""
    field = _FIELDS[index]
    return field.get(np.arange(1 << field.bits, dtype=np.uint64) << np.uint64(field.shift))


_HARDWARE_TABLE: Final = np.concatenate([_values(i) for i in range(len(_FIELDS))]).astype(np.int16)


def scaled_table(scaling: InputScaling) -> NDArray[np.float32]:
    """The table with which `fill_inputs` writes scaled network inputs; made once per version."""
    return np.concatenate([scaling.apply_to(i, _values(i)) for i in range(len(_FIELDS))])


def fill_inputs(
    columns: Mapping[str, NDArray[np.generic]],
    table: NDArray[np.float32] | NDArray[np.int16],
    out: NDArray[np.float32] | NDArray[np.int16],
) -> None:
    """Write the 57 inputs of each crossing, as `table` translates them; holds no lock, allocates nothing.

    Args:
        columns: `muon (n, 8) uint64`, `eg`, `jet`, `sums (n, 12) uint32`, packed words.
        table: from `scaled_table`, or the hardware integers' own.
        out: `(n, 57)`, of the table's dtype, C-contiguous; overwritten.

    Raises:
        InputsInvalid: a column does not have `n` rows, or not its width.
    """
    words = [_read_only(name, columns[name], len(out)) for name in NEEDED_COLUMNS[InputLayout.AXOL1TL]]
    muon, eg, jet, sums = words
    _fill_rows(muon, eg, jet, sums, table, out)


def hardware_inputs(columns: Mapping[str, NDArray[np.generic]]) -> NDArray[np.int16]:
    """The 57 inputs in hardware integers, `(n_crossings, 57) int16`, from packed words.

    Triples of halved transverse momentum (the half is lost), eta, phi: ETM (eta 0), EG 0–3, muons 0–3 (eta and phi at
    the vertex), jets 0–9. Objects that are missing are 0, 0, 0.

    Args:
        columns: `muon (n, 8) uint64`, `eg`, `jet`, `sums (n, 12) uint32`.
    """
    out = np.empty((len(columns["sums"]), N_INPUTS[InputLayout.AXOL1TL]), np.int16)
    fill_inputs(columns, _HARDWARE_TABLE, out)
    return out


def _read_only(column: str, words: NDArray[np.generic], n_rows: int) -> NDArray[np.generic]:
    """A contiguous read-only view: as Arrow gives them, so that the kernel is compiled for one kind of array."""
    expected = (n_rows, schema.FULL.field(column).type.list_size)
    if words.shape != expected:
        raise InputsInvalid(f"column '{column}'", f"shape {words.shape}", f"{expected}")
    view = np.ascontiguousarray(words).view()
    view.flags.writeable = False
    return view
