"""Lists of inputs: which fields of packed words they are, and those that have a name (`docs/models.md`, "Inputs")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from models.errors import InputsInvalid
from models.fixed_point import FixedPoint
from models.inputs import InputLayout, WordField
from models.network_document import InputElement, NetworkInputs, RegionGrid
from triggers.errors import BadValue
from triggers.events import packing, schema

_MOMENTUM: Final = ("pt", "et")
"""Both names are understood for every object."""
_HARDWARE: Final = "hw"
_HALVED: Final = "hw >> 1"
_REGION: Final = "region"
REGION_ET: Final = packing.Field(0, 10)
"""Transverse energy of a calorimeter region; the bits above are no part of it."""
_REGIONS: Final = "cicada-252"
_REGION_ROWS: Final = 18
_NOTHING: Final = packing.Field(0, 0)

_OBJECT_COLUMNS: Final = {
    "muon": "muon",
    "mu": "muon",
    "eg": "eg",
    "electron": "eg",
    "photon": "eg",
    "tau": "tau",
    "jet": "jet",
}
"""By object: its column. Level 1 does not tell electrons from photons: both are the e/γ object of that rank."""
_VECTOR_SUMS: Final = {
    "met": "etm",
    "etm": "etm",
    "mht": "htm",
    "htm": "htm",
    "methf": "etmhf",
    "etmhf": "etmhf",
    "htmhf": "htmhf",
}
"""By object: the energy's name in the `sums` column; its azimuth is that with `_phi`, its eta is 0."""


class _Objects(NamedTuple):
    name: str
    n: int
    quantities: tuple[str, ...] = ("pt", "eta", "phi")


LayoutName = Literal["axol1tl-57", "axol1tl-57-raw-phi", "cicada-252", "gelato-l1-44", "gelato-hlt-47", "adc2021-57"]
"""The lists that have a name."""

_LISTS: Final[Mapping[LayoutName, tuple[str, tuple[_Objects, ...]]]] = {
    "axol1tl-57": (_HALVED, (_Objects("met", 1), _Objects("eg", 4), _Objects("muon", 4), _Objects("jet", 10))),
    "axol1tl-57-raw-phi": (
        _HALVED,
        (_Objects("met", 1), _Objects("eg", 4), _Objects("muon", 4, ("pt", "eta", "phi_raw")), _Objects("jet", 10)),
    ),
    "cicada-252": (_HARDWARE, (_Objects(_REGION, schema.N_REGIONS, ("et",)),)),
    "gelato-l1-44": (
        _HARDWARE,
        (_Objects("met", 1, ("pt", "phi")), _Objects("jet", 6), _Objects("tau", 4), _Objects("muon", 4)),
    ),
    "gelato-hlt-47": (
        _HARDWARE,
        (
            _Objects("met", 1, ("pt", "phi")),
            _Objects("jet", 6),
            _Objects("electron", 3),
            _Objects("photon", 3),
            _Objects("muon", 3),
        ),
    ),
    "adc2021-57": (_HARDWARE, (_Objects("met", 1), _Objects("electron", 4), _Objects("muon", 4), _Objects("jet", 10))),
}


def named_elements(name: LayoutName) -> tuple[InputElement, ...]:
    """The inputs of a list that has a name; momenta in the list's unit, all else in hardware integers."""
    unit, objects = _LISTS[name]
    return tuple(
        InputElement.model_validate(
            {
                "object": group.name,
                "rank": rank,
                "quantity": quantity,
                "unit": unit if quantity in _MOMENTUM else _HARDWARE,
            }
        )
        for group in objects
        for rank in range(group.n)
        for quantity in group.quantities
    )


def named_layout(name: LayoutName) -> InputLayout:
    """Where the inputs of a list that has a name stand.

    Example:
        >>> named_layout("gelato-l1-44").n_inputs
        44
    """
    return elements_layout(named_elements(name), name)


def network_inputs(name: LayoutName | None, n_inputs: int, kind: FixedPoint, tensor: str = "inputs") -> NetworkInputs:
    """The inputs of a network: those of a list that has a name, or numbers of which nothing is known.

    Args:
        name: of the list; None: nothing is known, and packed words cannot be scored.
        n_inputs: how many there are.
        kind: their type.
        tensor: their name.

    Raises:
        BadValue: the list has another number of inputs.
    """
    unknown = [{"object": "input", "rank": i, "quantity": "value", "unit": "1"} for i in range(n_inputs)]
    keys: dict[str, object] = {"elements": unknown}
    if name is not None:
        listed = named_elements(name)
        if len(listed) != n_inputs:
            raise BadValue(f"inputs '{name}'", f"are {len(listed)}, and {n_inputs} are read", "choose another list")
        keys = {"elements": [element.model_dump() for element in listed]}
        if name == _REGIONS:
            keys = {"regions": {"rows": _REGION_ROWS, "columns": schema.N_REGIONS // _REGION_ROWS}}
    return NetworkInputs.model_validate({"tensor": tensor, "type": str(kind), **keys})


def layout_of(inputs: NetworkInputs, source: str) -> InputLayout:
    """Where the inputs of a network stand in the packed words.

    Args:
        inputs: as the network's description states them.
        source: whose, for messages.

    Raises:
        InputsInvalid: one of them cannot be made of packed words.
    """
    if inputs.regions is not None:
        return elements_layout(_region_elements(inputs.regions, source), source)
    return elements_layout(inputs.elements or (), source)


def _region_elements(grid: RegionGrid, source: str) -> tuple[InputElement, ...]:
    if grid.rows * grid.columns != schema.N_REGIONS:
        found = f"{grid.rows} × {grid.columns} regions"
        raise InputsInvalid(source, found, f"the {schema.N_REGIONS} regions of a crossing, to score packed words")
    return tuple(
        InputElement.model_validate({"object": _REGION, "rank": i, "quantity": grid.quantity, "unit": grid.unit})
        for i in range(schema.N_REGIONS)
    )


def elements_layout(elements: tuple[InputElement, ...], source: str) -> InputLayout:
    """Where quantities stand in the packed words.

    Args:
        elements: the quantities.
        source: whose, for messages.

    Raises:
        InputsInvalid: one of them cannot be made of packed words.
    """
    return InputLayout(tuple(_place(element, f"{source}, input {i}") for i, element in enumerate(elements)))


def _place(element: InputElement, where: str) -> WordField:
    found = _object_place(element) or _sum_place(element) or _region_place(element)
    if found is None or element.unit not in (_HARDWARE, _HALVED):
        what = f"{element.quantity} of {element.object} {element.rank} in unit '{element.unit}'"
        raise InputsInvalid(where, what, "a hardware integer of a Level-1 object, to score packed words")
    field = found.field
    if element.unit == _HALVED and field.bits:
        return found._replace(field=packing.Field(field.shift + 1, field.bits - 1, field.signed))
    return found


def _object_place(element: InputElement) -> WordField | None:
    column = _OBJECT_COLUMNS.get(element.object)
    if column is None or element.rank >= schema.FULL.field(column).type.list_size:
        return None
    fields = packing.OBJECTS[column]
    names = [name for name in _MOMENTUM if name in fields] if element.quantity in _MOMENTUM else [element.quantity]
    return WordField(column, element.rank, fields[names[0]]) if names[0] in fields else None


def _sum_place(element: InputElement) -> WordField | None:
    name = _VECTOR_SUMS.get(element.object, element.object)
    if element.rank or name not in packing.SUMS:
        return None
    word, energy = packing.SUMS[name]
    if element.quantity in (*_MOMENTUM, "count"):
        return WordField("sums", word, energy)
    if element.object not in _VECTOR_SUMS:
        return None
    return {
        "eta": WordField("sums", word, _NOTHING),
        "phi": WordField("sums", *packing.SUMS[f"{name}_phi"]),
    }.get(element.quantity)


def _region_place(element: InputElement) -> WordField | None:
    if element.object != _REGION or element.rank >= schema.N_REGIONS or element.quantity not in _MOMENTUM:
        return None
    return WordField("regions", element.rank, REGION_ET)
