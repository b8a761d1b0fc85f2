"""Crossings: interactions drawn and summed, objects found and packed, compiled; no lock (GIL) is held."""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit

from triggers.events.simulation.clusters_kernel import MAX_CLUSTERS, find_eg, find_taus
from triggers.events.simulation.geometry import COLUMNS, ROWS
from triggers.events.simulation.jets_kernel import MAX_JETS, find_jets
from triggers.events.simulation.muons_kernel import FIELDS, MAX_MUONS, from_source, measure
from triggers.events.simulation.response_kernel import OPTIONS
from triggers.events.simulation.sums_kernel import fill_sums
from triggers.events.simulation.towers_kernel import add_anomaly, add_interaction, digitise
from triggers.events.synthetic_random import stream_of, uniform

_TWO_PI: Final = 2 * math.pi
MAX_DRAWN: Final = 1024
_N_OBJECTS: Final = 12
_N_MUONS: Final = 8
_DOUBLE_QUALITY: Final = 8
_GOOD_PT_HW: Final = 7
"""Quality and pT (3 GeV) from which a muon counts for the bias towards crossings with muons."""


@njit(**OPTIONS)
def poisson(mean, stream):
    """A Poisson number: a product of uniform numbers, in pieces that do not underflow."""
    n = 0
    while mean > 0.0:
        piece = min(mean, 30.0)
        limit = math.exp(-piece)
        product = uniform(stream)
        while product > limit:
            n += 1
            product *= uniform(stream)
        mean -= piece
    return n


@njit(**OPTIONS)
def positive_poisson(mean, stream):
    """A Poisson number given that it is not zero, by inversion."""
    if mean > 5.0:
        while True:
            n = poisson(mean, stream)
            if n > 0:
                return n
    term = mean / math.expm1(mean)
    drawn = uniform(stream)
    n = 1
    while drawn > term and n < 200:
        drawn -= term
        n += 1
        term *= mean / n
    return n


@njit(**OPTIONS)
def draw(pileup, highest, chosen, first, fractions, stream, events):
    """The interactions of one crossing: rows of the pools; returns how many.

    Takes:
        pileup: mean number of interactions.
        highest: class of the crossing, or −1: no class, all components as they come.
        chosen: a row of the pools that is there besides, or −1.
        first, fractions: as in `mixture.Mixture`.
        stream: of random numbers.
        events: `(MAX_DRAWN,) int64`; the interaction that ranks highest stands first.
    """
    n = 0
    if chosen >= 0:
        events[0] = chosen
        n = 1
    top = len(fractions) - 1 if highest < 0 else highest
    for component in range(top, -1, -1):
        mean = pileup * fractions[component]
        must = component == highest and component > 0
        number = positive_poisson(mean, stream) if must else poisson(mean, stream)
        size = first[component + 1] - first[component]
        for _ in range(number):
            if n < MAX_DRAWN:
                events[n] = first[component] + min(int(uniform(stream) * size), size - 1)
                n += 1
    return n


@njit(**OPTIONS)
def simulate(
    key,
    index,
    pileup,
    highest,
    chosen,
    first,
    fractions,
    wanted,
    anomalies,
    deposits,
    sources,
    decays,
    level1,
    tables,
    out,
):
    """Simulate crossings; each depends on the key and its own index alone.

    Takes:
        key: of the random streams.
        index: `(n,) uint64`, of the crossings.
        pileup: `(n,) float64`, mean number of interactions.
        highest: `(n,) int64`, class, or −1.
        chosen: `(n,) int64`, row of a signal interaction, or −1.
        first, fractions: of the mixture.
        wanted: `(4,) float64`, chance with which crossings of 0, 1, 2, more muons are kept; else another is drawn.
        anomalies: chance of anomalous energy in a crossing.
        deposits: offsets, tower, em, had of all pooled interactions.
        sources: offsets, pt, eta, phi, d0, code of what may become muons.
        decays: the arrays of `decays.MuonicDecays`.
        level1: records of the numbers of towers, jets, clusters, sums, muons.
        tables: hardware eta of the rows, cos and sin of the columns' middles.
        out: arrays muon `(n, 8) uint64`, eg, tau, jet, sums `(n, 12) uint32`, regions `(n, 252) uint16`,
            interactions `(n,) float32`, hardest `(n,) int64` (row of the pools, −1 if the crossing is empty), tracks
            `(n,) int64` (muons found, 3 if more), anomalous `(n,) bool`.
    """
    offsets, tower, em_steps, had_steps = deposits
    p_towers, p_jets, p_clusters, p_sums, p_muons = level1
    row_eta, cos, sin = tables
    out_muon, out_eg, out_tau, out_jet, out_sums, out_regions, out_number, out_hardest, out_tracks, out_anomalous = out
    energy = np.zeros((3, ROWS, COLUMNS), np.float32)
    em = np.zeros((ROWS, COLUMNS), np.int32)
    had = np.zeros((ROWS, COLUMNS), np.int32)
    total = np.zeros((ROWS, COLUMNS), np.int32)
    events = np.zeros(MAX_DRAWN, np.int64)
    turns = np.zeros(MAX_DRAWN, np.int64)
    mirrors = np.zeros(MAX_DRAWN, np.bool_)
    jets = np.zeros((MAX_JETS, 4), np.int64)
    clusters = np.zeros((MAX_CLUSTERS, 4), np.int64)
    muons = np.zeros((MAX_MUONS, 6))
    tracks = np.zeros((MAX_MUONS, FIELDS), np.int64)
    stream = np.zeros(1, np.uint64)
    for c in range(len(index)):
        stream[0] = stream_of(key, index[c])
        n, found = 0, 0
        while True:
            n = draw(pileup[c], highest[c], chosen[c], first, fractions, stream, events)
            for i in range(n):
                turns[i] = min(int(uniform(stream) * COLUMNS), COLUMNS - 1)
                mirrors[i] = uniform(stream) < 0.5
            found = find_muons(events, turns, mirrors, n, sources, decays, p_muons, stream, muons, tracks)
            out_tracks[c] = good_tracks(tracks, found)
            if uniform(stream) <= wanted[out_tracks[c]]:
                break
        pack_muons(tracks, found, out_muon[c])
        late = 0
        for i in range(n):
            late += add_interaction(events[i], turns[i], mirrors[i], offsets, tower, em_steps, had_steps, energy)
        out_anomalous[c] = uniform(stream) <= anomalies
        if out_anomalous[c]:
            add_anomaly(p_towers, stream, energy)
        near = digitise(energy, p_towers, stream, em, had, total)
        n_jets = find_jets(total, energy[2], late > 0, p_jets, jets)
        pack_calo(jets, n_jets, 19, 27, row_eta, out_jet[c], 11)
        fill_sums(total, em, near, jets, n_jets, cos, sin, p_sums, out_sums[c], out_regions[c])
        found = find_eg(em, had, total, near, p_clusters, clusters)
        pack_calo(clusters, found, 17, 25, row_eta, out_eg[c], 9)
        found = find_taus(total, near, p_clusters, clusters)
        pack_calo(clusters, found, 17, 25, row_eta, out_tau[c], 9)
        if late > 0:
            energy[2] = 0.0
        out_number[c] = n
        out_hardest[c] = events[0] if n > 0 else -1


@njit(**OPTIONS)
def good_tracks(tracks, n):
    """How many muons a double-muon seed would look at, at most 3."""
    good = 0
    for i in range(n):
        if tracks[i, 2] >= _DOUBLE_QUALITY and tracks[i, 1] >= _GOOD_PT_HW:
            good += 1
    return min(good, 3)


@njit(**OPTIONS)
def count_tracks(key, n, pileup, highest, first, fractions, sources, decays, p_muons, counts):
    """Count the crossings of one class by their good tracks, without calorimeters; `counts`: `(4,) int64`."""
    events = np.zeros(MAX_DRAWN, np.int64)
    turns = np.zeros(MAX_DRAWN, np.int64)
    mirrors = np.zeros(MAX_DRAWN, np.bool_)
    muons = np.zeros((MAX_MUONS, 6))
    tracks = np.zeros((MAX_MUONS, FIELDS), np.int64)
    stream = np.zeros(1, np.uint64)
    for c in range(n):
        stream[0] = stream_of(key, np.uint64(c))
        drawn = draw(pileup, highest, -1, first, fractions, stream, events)
        found = find_muons(events, turns, mirrors, drawn, sources, decays, p_muons, stream, muons, tracks)
        counts[good_tracks(tracks, found)] += 1


@njit(**OPTIONS)
def find_muons(events, turns, mirrors, n, sources, decays, p, stream, muons, tracks):
    """The muons of a crossing's interactions as the track finders see them; returns how many."""
    offsets, pt, eta, phi, d0, code = sources
    k = 0
    for i in range(n):
        turn = turns[i] * _TWO_PI / COLUMNS
        for j in range(offsets[events[i]], offsets[events[i] + 1]):
            side = -eta[j] if mirrors[i] else eta[j]
            k = from_source(code[j], pt[j], side, phi[j] + turn, d0[j], decays, p, stream, muons, k)
    return measure(muons, k, p, stream, tracks)


@njit(**OPTIONS)
def pack_calo(objects, n, phi_shift, flag_shift, row_eta, words, eta_shift):
    """The best twelve objects as words: energy, eta, phi, flags."""
    eta_mask = (1 << 8) - 1
    for i in range(_N_OBJECTS):
        if i >= n:
            words[i] = 0
            continue
        eta = row_eta[objects[i, 1]] & eta_mask
        phi = 2 * objects[i, 2] + 1
        words[i] = objects[i, 0] | (eta << eta_shift) | (phi << phi_shift) | (objects[i, 3] << flag_shift)


@njit(**OPTIONS)
def pack_muons(tracks, n, words):
    """The best eight muons as words (`docs/formats.md`)."""
    for i in range(_N_MUONS):
        if i >= n:
            words[i] = np.uint64(0)
            continue
        low = tracks[i, 4] | (tracks[i, 1] << 10) | (tracks[i, 2] << 19) | ((tracks[i, 3] & 511) << 23)
        low |= (tracks[i, 5] << 34) | (1 << 35) | (tracks[i, 6] << 36)
        high = (tracks[i, 7] << 43) | (tracks[i, 8] << 53)
        words[i] = np.uint64(low) | np.uint64(high) | (np.uint64(tracks[i, 9]) << np.uint64(62))
