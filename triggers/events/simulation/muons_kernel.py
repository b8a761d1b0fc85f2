"""Muons: decays in flight, of heavy hadrons, what the track finders measure of them, compiled."""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import math
from typing import Final

from numba import njit

from triggers.events.simulation.response_kernel import OPTIONS, normal
from triggers.events.synthetic_random import uniform

MAX_MUONS: Final = 64
FIELDS: Final = 10
"""Columns of a found muon: rank, pt, quality, eta, phi, negative, index, raw phi, unconstrained pt, impact."""
_MUON, _PION, _KAON = 13, 211, 321
_PION_MASS, _PION_LIFE_M = 0.13957, 7.804
_KAON_MASS, _KAON_LIFE_M = 0.49368, 3.711
_KAON_TO_MUON: Final = 0.67
"""Chance of K → μν and K → πμν [PDG]."""
_PION_LEAST, _KAON_LEAST = 0.573, 0.046
"""Least part of the momentum that the muon takes, (mμ/m)² [kinematics]."""
_ENDCAP_M: Final = 3.2
_BARREL_ETA, _OVERLAP_ETA, _ENDCAP_ETA = 0.83, 1.24, 2.45
_ETA_STEP: Final = 0.010875
_ETA_MAX: Final = 225
_PHI_BINS: Final = 576
_TWO_PI: Final = 2 * math.pi
_PT_MAX, _UPT_MAX = 511, 255
_BEND_RAD_GEV: Final = 1.6
"""Turn in phi to the muon stations times pT, from the solenoid's field out to 2.9 m."""


@njit(**OPTIONS)
def from_source(code, pt, eta, phi, d0, decays, p, stream, muons, n):
    """Append the muons that one source gives in this crossing (rows: pt, eta, phi, charge, d0, tail factor)."""
    size = abs(code)
    if size == _MUON:
        return append(pt, eta, phi, -1 if code > 0 else 1, d0, 1.0, muons, n)
    if size in (_PION, _KAON):
        return _light(size, code, pt, eta, phi, p, stream, muons, n)
    codes, masses, chances, offsets, count, momenta, charges = decays
    kind = 0
    while kind < len(codes) and codes[kind] != size:
        kind += 1
    if kind == len(codes) or uniform(stream) > chances[kind]:
        return n
    first, last = offsets[kind], offsets[kind + 1]
    decay = min(first + int(uniform(stream) * (last - first)), last - 1)
    return _boosted(decay, masses[kind], code, pt, eta, phi, d0, count, momenta, charges, stream, muons, n)


@njit(**OPTIONS)
def append(pt, eta, phi, charge, d0, tail, muons, n):
    """One more muon, if there is room; returns how many there are."""
    if n >= MAX_MUONS:
        return n
    muons[n, 0], muons[n, 1], muons[n, 2] = pt, eta, phi
    muons[n, 3], muons[n, 4], muons[n, 5] = charge, d0, tail
    return n + 1


@njit(**OPTIONS)
def _light(size, code, pt, eta, phi, p, stream, muons, n):
    """A pion or kaon that decays before the calorimeter, or whose shower reaches the muon stations."""
    charge = 1 if code > 0 else -1
    mass, life = (_PION_MASS, _PION_LIFE_M) if size == _PION else (_KAON_MASS, _KAON_LIFE_M)
    way = min(p.decay_m, _ENDCAP_M / max(abs(math.sinh(eta)), 1e-3))
    chance = 1.0 - math.exp(-way * mass / (pt * life))
    if size == _KAON:
        chance *= _KAON_TO_MUON
    drawn = uniform(stream)
    if drawn < chance:
        least = _PION_LEAST if size == _PION else _KAON_LEAST
        return append(pt * (least + (1.0 - least) * uniform(stream)), eta, phi, charge, 0.0, p.tail_decay, muons, n)
    if drawn < chance + p.punch_through * pt / 10.0:
        return append(pt * (0.2 + 0.5 * uniform(stream)), eta, phi, charge, 0.0, p.tail_decay, muons, n)
    return n


@njit(**OPTIONS)
def _boosted(decay, mass, code, pt, eta, phi, d0, count, momenta, charges, stream, muons, n):
    """The muons of a decay at rest, turned at random and seen from the detector."""
    cos_theta = 2.0 * uniform(stream) - 1.0
    sin_theta = math.sqrt(1.0 - cos_theta * cos_theta)
    alpha = _TWO_PI * uniform(stream)
    beta = _TWO_PI * uniform(stream)
    ca, sa, cb, sb = math.cos(alpha), math.sin(alpha), math.cos(beta), math.sin(beta)
    px, py, pz = pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(eta)
    energy = math.sqrt(px * px + py * py + pz * pz + mass * mass)
    sign = 1 if code > 0 else -1
    for i in range(count[decay]):
        x, y, z = momenta[decay, i, 0], momenta[decay, i, 1], momenta[decay, i, 2]
        x, y = ca * x - sa * y, sa * x + ca * y
        x, z = cos_theta * x + sin_theta * z, -sin_theta * x + cos_theta * z
        x, y = cb * x - sb * y, sb * x + cb * y
        along = px * x + py * y + pz * z
        own = math.sqrt(x * x + y * y + z * z + 0.011164)
        factor = (along / (energy + mass) + own) / mass
        mx, my, mz = x + px * factor, y + py * factor, z + pz * factor
        m_pt = max(math.sqrt(mx * mx + my * my), 1e-6)
        n = append(m_pt, math.asinh(mz / m_pt), math.atan2(my, mx), sign * charges[decay, i], d0, 1.0, muons, n)
    return n


@njit(**OPTIONS)
def measure(muons, n, p, stream, found):
    """What the track finders make of the muons of a crossing, best first; returns how many.

    Takes:
        muons, n: as `from_source` leaves them.
        p: the numbers of `level1.MuonNumbers` as a record.
        stream: of random numbers.
        found: `(MAX_MUONS, FIELDS) int64`, hardware units.
    """
    k = 0
    for i in range(n):
        pt, eta, phi, charge = muons[i, 0], muons[i, 1], muons[i, 2], muons[i, 3]
        if abs(eta) > _ENDCAP_ETA or pt < 1.0 or _is_hidden(muons, i, p):
            continue
        times = 2 if uniform(stream) < p.ghost else 1
        for _ in range(times):
            if k < MAX_MUONS and _track(pt, eta, phi, charge, muons[i, 4], muons[i, 5], p, stream, found, k):
                k += 1
    _order(found, k)
    return k


@njit(**OPTIONS)
def _is_hidden(muons, i, p):
    """Whether an earlier muon is so near that the two are found as one."""
    for j in range(i):
        turn = abs(muons[i, 2] - muons[j, 2]) % _TWO_PI
        if min(turn, _TWO_PI - turn) < p.merged and abs(muons[i, 1] - muons[j, 1]) < p.merged:
            return True
    return False


@njit(**OPTIONS)
def _track(pt, eta, phi, charge, d0, tail_factor, p, stream, found, k):
    """Write one measured muon to row k; whether it is found at all."""
    size = abs(eta)
    if size < _BARREL_ETA:
        reach, plateau, width, sectors, base = p.barrel_reach_gev, p.barrel_efficiency, p.barrel_resolution, 12, 36
    elif size < _OVERLAP_ETA:
        reach, plateau, width = p.overlap_reach_gev, p.overlap_efficiency, p.overlap_resolution
        sectors, base = 6, 18 if eta > 0 else 72
    else:
        reach, plateau, width = p.endcap_reach_gev, p.endcap_efficiency, p.endcap_resolution
        sectors, base = 6, 0 if eta > 0 else 90
    if uniform(stream) > plateau / (1.0 + math.exp(-(pt / reach - 1.0) / p.reach_width)):
        return False
    inverse = max((1.0 + width * normal(stream)), 0.1) / (pt * p.scale)
    in_tail = uniform(stream) < p.tail * tail_factor
    if in_tail:
        inverse *= uniform(stream) ** (1.0 / p.tail_power)
    single = p.tail_single_quality if in_tail else p.single_quality
    drawn = uniform(stream)
    quality = 12 if drawn < single else (8 if drawn < single + p.double_quality else 4)
    quality += int(uniform(stream) * 4.0)
    if uniform(stream) < min(p.wrong_charge * (1.0 + pt / 10.0), 0.5) or (in_tail and uniform(stream) < 0.5):
        charge = -charge
    measured = 1.0 / inverse
    turn = (phi + p.angle * normal(stream)) / _TWO_PI
    phi_hw = int((turn - math.floor(turn)) * _PHI_BINS) % _PHI_BINS
    eta_hw = math.floor((eta + 0.5 * p.angle * normal(stream)) / _ETA_STEP + 0.5)
    sector = int(phi_hw * sectors / _PHI_BINS)
    bend = charge * _BEND_RAD_GEV / max(pt, 2.0) * min(1.0, 2.0 / max(math.sinh(size), 0.1)) / _TWO_PI
    found[k, 1] = min(int(2.0 * measured) + 1, _PT_MAX)
    found[k, 0] = found[k, 1] + (quality << 10)
    found[k, 2] = min(quality, 15)
    found[k, 3] = min(max(eta_hw, -_ETA_MAX), _ETA_MAX)
    found[k, 4] = phi_hw
    found[k, 5] = 1 if charge < 0 else 0
    found[k, 6] = base + 3 * sector
    found[k, 7] = (phi_hw - round(bend * _PHI_BINS)) % _PHI_BINS
    # Without the beam spot the momentum is measured half as well, and what is displaced is not pulled to it.
    alone = measured * math.exp(2.0 * width * normal(stream))
    found[k, 8] = min(int(alone) + 1, _UPT_MAX)
    away = abs(d0 + 8.0 * width * normal(stream))
    found[k, 9] = min(int(away / 25.0), 3)
    return True


@njit(**OPTIONS)
def _order(found, n):
    """By quality, then pT; and the tracks of a track finder numbered within it."""
    for i in range(1, n):
        for j in range(i, 0, -1):
            if found[j, 0] <= found[j - 1, 0]:
                break
            for f in range(FIELDS):
                kept = found[j, f]
                found[j, f] = found[j - 1, f]
                found[j - 1, f] = kept
    for i in range(n):
        same = 0
        for j in range(i):
            if found[j, 6] // 3 == found[i, 6] // 3:
                same += 1
        found[i, 6] += min(same, 2)
