"""Fixed-point networks, read from their descriptions, the present form or the older one (`docs/networks.md`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, NoReturn

from pydantic import ValidationError

from models.errors import NetworkInvalid
from models.network_build import build_network
from models.network_document import SCHEMA_NAME, NetworkDocument
from models.network_legacy import modernised
from models.network_model import Network, Scaling
from triggers.errors import BadValue, UnknownName

__all__ = ["LARGEST_FILE_BYTES", "NETWORK_FILE", "Network", "Scaling", "read_network"]

NETWORK_FILE: Final = "network.json"
"""The network's name among the files of a version."""
LARGEST_FILE_BYTES: Final = 64 << 20
_LONGEST_SHOWN: Final = 60


def read_network(content: bytes, source: str | Path) -> Network:
    """A network from the bytes of its description.

    Args:
        content: JSON, UTF-8, of the form `l1chain-network/1` or of the older one without `schema`.
        source: the file, for messages.

    Raises:
        NetworkInvalid: it is no such JSON, or contradicts itself, or cannot be expressed.
        UnknownName: a key, layer or tensor that does not exist.
        BadValue: a key is missing, or a value is not allowed where it stands.
    """
    source = str(source)
    data = _parsed(content, source)
    form = data.pop("schema", None)
    if form is None:
        data = modernised(data, source)
    elif form != SCHEMA_NAME:
        raise NetworkInvalid(source, "key 'schema'", f"unknown form {form!r:.60}", f"write {SCHEMA_NAME}")
    try:
        document = NetworkDocument.model_validate(data)
    except ValidationError as error:
        _raise_first(error, data, source)
    return build_network(document, source)


def _parsed(content: bytes, source: str) -> dict[str, Any]:
    if len(content) > LARGEST_FILE_BYTES:
        raise NetworkInvalid(source, "", f"has more than {LARGEST_FILE_BYTES >> 20} MiB", "use a smaller network")
    try:
        data = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        what = " ".join(str(error).split())
        raise NetworkInvalid(source, "", f"no valid JSON ({what})", "write or copy the file again") from None
    if not isinstance(data, dict):
        raise NetworkInvalid(source, "", "is no JSON object", f'begin with {{"schema": "{SCHEMA_NAME}"')
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key '{next(name for name in names if names.count(name) > 1)}' stands twice")
    return unique


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of a fixed-point type")


def _raise_first(error: ValidationError, data: dict[str, Any], source: str) -> NoReturn:
    details = error.errors(include_url=False)[0]
    place, location = _place(details["loc"], data)
    where = ", ".join(part for part in (source, place, location) if part)
    context = details.get("ctx", {})
    if details["type"] == "unknown_key":
        raise UnknownName(where, "key", context["key"], context["allowed"]) from None
    if details["type"] == "missing":
        raise BadValue(where, "is missing", "add it") from None
    if details["type"] == "union_tag_invalid":
        allowed = context["expected_tags"].replace("'", "").split(", ")
        raise UnknownName(where, context["discriminator"].strip("'"), context["tag"], allowed) from None
    found = repr(details["input"])
    found = found if len(found) <= _LONGEST_SHOWN else found[:_LONGEST_SHOWN] + "…"
    message = details["msg"].removeprefix("Value error, ")
    raise BadValue(where, f"found {found}", message[:1].lower() + message[1:]) from None


def _place(location: tuple[int | str, ...], data: dict[str, Any]) -> tuple[str, str]:
    """The layer and what follows in it; a layer is named by its output, if it states one."""
    if location[:1] == ("layers",) and len(location) > 1:
        number = int(location[1])
        layer = data["layers"][number]
        name = layer.get("output") if isinstance(layer, dict) else None
        place = f"layer '{name}'" if isinstance(name, str) else f"layer number {number}"
        return place, ".".join(str(part) for part in location[3:])
    if location[:1] == ("score",):
        return "score", ".".join(str(part) for part in location[2:])
    return "", ".".join(str(part) for part in location)
