"""One crossing as a physicist reads it: objects and sums in physical units, bits by number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triggers.events import packing, scales, schema
from triggers.events.crossings import column_view
from triggers.events.summary import expected_known

_TYPES: Final = {"muon": "MU", "eg": "EG", "tau": "TAU", "jet": "JET"}
_COLUMNS: Final = {type_: column for column, type_ in _TYPES.items()}
_CHARGES: Final = {1: "+", -1: "−", None: "unknown"}
_VECTOR_SUMS: Final = ("etm", "htm", "etmhf", "htmhf")
_SCALAR_SUMS: Final = ("ett", "ettem", "htt")
_COUNTS: Final = (
    *("towercount", "mbt0hfp", "mbt0hfm", "mbt1hfp", "mbt1hfm"),
    *("asymet", "asymht", "asymethf", "asymhthf", "zdcp", "zdcm"),
)
_CODES: Final = {
    "muon": ("quality", "isolation", "impact_parameter", "index"),
    "eg": ("isolation",),
    "tau": ("isolation",),
    "jet": ("displaced", "quality"),
}
_NUMBERS_PER_LINE: Final = 16


def crossing_record(batch: pa.RecordBatch, row: int) -> dict[str, Any]:
    """One row of a batch in the event format, in words and physical units, ready for JSON.

    Energies are lower bin edges, eta and phi bin centres; empty slots are left out; `hardware` holds the integers.
    """
    present = batch.schema.names
    record: dict[str, Any] = {name: batch.column(name)[row].as_py() for name in schema.TIME_COLUMNS}
    for name in ("pileup", "weight", "process", "context"):
        if name in present:
            record[name] = batch.column(name)[row].as_py()
    muons, sums = _row(batch, "muon", row), _row(batch, "sums", row)
    record["objects"] = [entry for column in _TYPES for entry in _objects(column, _row(batch, column, row))]
    record["sums"] = dict(_sums(sums.astype(np.uint32)[np.newaxis]))
    showers = packing.MUON["shower"].get(muons)
    record["muon_showers"] = [flag for flag, slot in packing.SHOWER_MUON.items() if showers[slot]]
    record["external"] = packing.set_bits(_row(batch, "external", row)).tolist()
    if "expected" in present:
        known = expected_known(batch)[row]
        record["expected"] = packing.set_bits(_row(batch, "expected", row) & known).tolist()
        record["n_expected_known"] = len(packing.set_bits(known))
    return record


def _row(batch: pa.RecordBatch, column: str, row: int) -> NDArray[np.uint64]:
    words: NDArray[np.uint64] = column_view(batch.column(column))[row].astype(np.uint64)
    return words


def _objects(column: str, words: NDArray[np.uint64]) -> Iterator[dict[str, Any]]:
    fields = packing.unpack(column, words)
    values = scales.object_values(column, words)
    energy = "pt" if column == "muon" else "et"
    for slot in np.flatnonzero(words).tolist():
        entry: dict[str, Any] = {"object": _TYPES[column], "slot": slot}
        entry |= {name: round(float(values[name][slot]), 4) for name in (f"{energy}_gev", "eta", "phi_rad")}
        entry["overflow"] = bool(fields[energy][slot] == scales.OBJECT_SCALES[column][energy].highest)
        entry |= {name: int(fields[name][slot]) for name in _CODES[column]}
        if column == "muon":
            entry |= _muon_extras({name: int(field[slot]) for name, field in fields.items()})
        entry["hardware"] = {name: int(field[slot]) for name, field in fields.items()}
        yield entry


def _muon_extras(fields: Mapping[str, int]) -> dict[str, Any]:
    """What only muons have; None where it was not measured, and for the pT of a word that holds no muon."""
    charge = (-1 if fields["charge_negative"] else 1) if fields["charge_valid"] else None
    unconstrained = fields["pt_unconstrained"]
    extras: dict[str, Any] = {
        "charge": charge,
        "pt_unconstrained_gev": float(scales.MUON_PT_UNCONSTRAINED.lower_edge(unconstrained))
        if unconstrained
        else None,
    }
    return extras if fields["pt"] else {**extras, "pt_gev": None}


def _sums(words: NDArray[np.uint32]) -> Iterator[tuple[str, Any]]:
    """Quantities of one row, `(1, 12)`: energies in GeV, directions in rad (None of a zero vector), counts."""
    for name in (*_SCALAR_SUMS, *_VECTOR_SUMS):
        index = int(packing.sum_values(words, name)[0])
        entry: dict[str, Any] = {"et_gev": float(scales.SUM_ET.lower_edge(index))}
        entry["overflow"] = index == scales.SUM_ET.highest
        if name in _VECTOR_SUMS:
            phi = packing.sum_values(words, f"{name}_phi")
            entry["phi_rad"] = round(float(scales.CALO_PHI.centre(phi)[0]), 4) if index else None
        yield name, entry
    for name in _COUNTS:
        yield name, int(packing.sum_values(words, name)[0])
    high, low = (int(packing.sum_values(words, f"centrality_{half}")[0]) for half in ("high", "low"))
    yield "centrality_bits", packing.set_bits(high << 4 | low).tolist()
    yield "cicada", float(scales.CICADA_SCORE.lower_edge(packing.cicada_scores(words)[0]))


def crossing_text(record: Mapping[str, Any], number: int) -> str:
    """A record of `crossing_record` as text for a terminal.

    Args:
        record: the crossing.
        number: its number in the source, from 0.
    """
    lines = [_title(record, number), *_object_table(record["objects"]), "", *_sum_lines(record["sums"])]
    lines += _numbers("muon showers", record["muon_showers"])
    lines += _numbers("external channels", record["external"])
    if "expected" in record:
        n_known = record["n_expected_known"]
        lines += _numbers(f"expected algorithms ({n_known} known)", record["expected"])
    return "\n".join(lines) + "\n"


def _title(record: Mapping[str, Any], number: int) -> str:
    parts = [f"run {record['run']}", f"lumi section {record['lumi_section']}", f"orbit {record['orbit']}"]
    parts += [f"BX {record['bx']}", f"event {record['event']}"]
    if "process" in record:
        parts.append(str(record["process"]))
    parts += [f"{name} {record[name]:g}" for name in ("pileup", "weight") if name in record]
    return f"crossing {number}: {', '.join(parts)}"


def _object_table(objects: list[dict[str, Any]]) -> list[str]:
    if not objects:
        return ["  no objects"]
    lines = ["  object  slot  pT, ET [GeV]      eta  phi [rad]  details"]
    for entry in objects:
        energy = entry["pt_gev"] if "pt_gev" in entry else entry["et_gev"]
        shown = "none" if energy is None else f"{'≥ ' if entry['overflow'] else ''}{energy:.1f}"
        place = f"{entry['eta']:+9.3f}{entry['phi_rad']:11.3f}"
        lines.append(f"  {entry['object']:<6}{entry['slot']:>6}{shown:>14}{place}  {_details(entry)}")
    return lines


def _details(entry: Mapping[str, Any]) -> str:
    column = _COLUMNS[entry["object"]]
    parts = [f"{name.replace('_', ' ')} {entry[name]}" for name in _CODES[column]]
    if column == "muon":
        parts.insert(0, f"charge {_CHARGES[entry['charge']]}")
        if entry["pt_unconstrained_gev"] is not None:
            parts.append(f"unconstrained pT {entry['pt_unconstrained_gev']:.0f} GeV")
    return ", ".join(parts)


def _sum_lines(sums: Mapping[str, Any]) -> list[str]:
    rows = (_SCALAR_SUMS, _VECTOR_SUMS)
    lines = ["  " + "   ".join(_energy(name, sums[name]) for name in names) for names in rows]
    counts = [f"{name.upper()} {sums[name]}" for name in _COUNTS if sums[name]]
    if sums["centrality_bits"]:
        counts.append("CENT " + " ".join(map(str, sums["centrality_bits"])))
    if sums["cicada"]:
        counts.append(f"CICADA {sums['cicada']:.4f}")
    return [*lines, "  " + "   ".join(counts)] if counts else lines


def _energy(name: str, entry: Mapping[str, Any]) -> str:
    text = f"{name.upper()} {'≥ ' if entry['overflow'] else ''}{entry['et_gev']:.1f} GeV"
    return text if entry.get("phi_rad") is None else f"{text} at phi {entry['phi_rad']:.3f}"


def _numbers(title: str, values: list[Any]) -> list[str]:
    """A titled list, wrapped so that it fits a terminal."""
    if not values:
        return [f"  {title}: none"]
    chunks = [values[start : start + _NUMBERS_PER_LINE] for start in range(0, len(values), _NUMBERS_PER_LINE)]
    return [f"  {title}:", *("    " + " ".join(map(str, chunk)) for chunk in chunks)]
