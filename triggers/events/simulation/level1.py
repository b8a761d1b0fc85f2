"""The numbers of the Level-1 trigger, each with its source or marked as tuned (`docs/simulation.md`).

Source: [L1] CMS Collaboration, "Performance of the CMS Level-1 trigger in proton-proton collisions at 13 TeV", JINST
15 (2020) P10017.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class TowerNumbers:
    """Trigger primitives: energies in GeV.

    Attributes:
        lsb_gev: step of tower energies [L1, section 5].
        em_noise_gev, had_noise_gev: noise of a tower with energy from other crossings (tuned).
        em_scale, had_scale: calibration of towers in layer 1 (tuned).
        em_least_gev, had_least_gev: zero suppression at eta 0 (tuned).
        em_least_rise_gev, had_least_rise_gev: its rise with each row of towers to |eta| 2.5 (tuned).
        em_least_edge_gev, had_least_edge_gev: from there to 3.0, where layer 1 cuts hardest against pile-up (tuned).
        forward_least_gev, forward_scale: of HF (tuned).
        anomaly_chance, anomaly_gev, anomaly_power: anomalous hadronic energy (photodetector noise, CMS, JINST 5 (2010)
            T03014): chance in a crossing, least energy, exponent of the integral spectrum (tuned).
        spike_chance, spike_gev, spike_power: the same of spikes in the ECAL barrel, direct hits of its photodiodes
            (CMS, JINST 8 (2013) P09009, section 4) (tuned).
        saturation_hw: greatest energy of a tower, 9 bits [L1, section 5].
    """

    lsb_gev: float = 0.5
    em_noise_gev: float = 0.15
    had_noise_gev: float = 0.25
    em_scale: float = 1.05
    had_scale: float = 1.30
    em_least_gev: float = 0.5
    had_least_gev: float = 1.0
    em_least_rise_gev: float = 0.03
    had_least_rise_gev: float = 0.05
    em_least_edge_gev: float = 6.0
    had_least_edge_gev: float = 7.0
    forward_least_gev: float = 2.5
    forward_scale: float = 1.0
    anomaly_chance: float = 0.00011
    anomaly_gev: float = 60.0
    anomaly_power: float = 2.0
    spike_chance: float = 0.0003
    spike_gev: float = 20.0
    spike_power: float = 3.0
    saturation_hw: float = 511.0

    @property
    def anomalies(self) -> float:
        """The chance of anomalous energy of either kind in a crossing."""
        return self.anomaly_chance + self.spike_chance


@dataclass(frozen=True)
class JetNumbers:
    """Jets: 9 × 9 towers around a local maximum, less the energy beside them [L1, section 5.4].

    Attributes:
        seed_hw: least energy of the maximum, 4 GeV [L1].
        subtracted: part of the energy in the three lowest of four 3 × 9 strips beside the jet that is taken off; 1 in
            [L1] (tuned).
        scale, scale_low: calibration: scale × (1 + scale_low × 20 GeV / (20 GeV + ET)) (tuned).
        endcap_scale, forward_scale: further factors for |eta| above 1.5 and 3.0 (tuned).
        late_gev: late energy from which a jet is displaced (tuned).
        late_fraction: and its least part of the jet (tuned).
        least_hw: jets with less are dropped (tuned).
    """

    seed_hw: float = 8.0
    subtracted: float = 1.5
    scale: float = 0.965
    scale_low: float = 1.05
    endcap_scale: float = 0.98
    forward_scale: float = 0.79
    late_gev: float = 8.0
    late_fraction: float = 0.2
    least_hw: float = 16.0


@dataclass(frozen=True)
class ClusterNumbers:
    """e/γ and tau clusters [L1, sections 5.2, 5.3]; energies in GeV unless the name ends in `_hw`.

    Attributes:
        eg_rows, tau_rows: rows of towers from the middle in which candidates may lie: to |eta| 2.6 and 2.3 (as seen in
            real crossings).
        eg_seed_hw: least energy of an e/γ seed tower, 2 GeV [L1].
        eg_member_hw: least energy of its neighbours, 1 GeV [L1].
        eg_scale, eg_scale_low: calibration: scale × (1 + scale_low × 20 GeV / (20 GeV + ET)) (tuned).
        eg_hadronic: greatest ratio of hadronic to electromagnetic energy in the seed's towers (tuned).
        eg_spread: greatest part of the energy outside seed and best neighbour (tuned).
        eg_relaxed_gev: above this no identification or isolation is asked for (tuned).
        eg_least_hw: weaker candidates are dropped (tuned).
        eg_tight_gev, eg_tight_slope, eg_tight_tower: greatest energy around a tightly isolated candidate: a + b ET +
            c × towers above threshold in |eta| < 0.35 (tuned; [L1] has tables of the same three quantities).
        eg_loose_gev, eg_loose_slope, eg_loose_tower: the same for loose isolation (tuned).
        tau_seed_hw: least energy of a tau's seed tower, 2 GeV [L1].
        tau_scale, tau_scale_low: calibration: scale × (1 + scale_low × 20 GeV / (20 GeV + ET)) (tuned).
        tau_least_hw: weaker candidates are dropped (tuned).
        tau_gev, tau_slope, tau_tower: isolation as above (tuned).
        tau_free_gev: above this every tau is isolated (tuned).
    """

    eg_rows: float = 27.0
    tau_rows: float = 25.0
    eg_seed_hw: float = 4.0
    eg_member_hw: float = 2.0
    eg_scale: float = 0.97
    eg_scale_low: float = 0.2
    eg_hadronic: float = 0.0
    eg_spread: float = 0.085
    eg_relaxed_gev: float = 85.0
    eg_least_hw: float = 5.0
    eg_tight_gev: float = 4.0
    eg_tight_slope: float = 0.25
    eg_tight_tower: float = 0.08
    eg_loose_gev: float = 4.0
    eg_loose_slope: float = 0.25
    eg_loose_tower: float = 0.10
    tau_seed_hw: float = 4.0
    tau_scale: float = 0.785
    tau_scale_low: float = 0.25
    tau_least_hw: float = 6.0
    tau_gev: float = 5.0
    tau_slope: float = 0.10
    tau_tower: float = 0.12
    tau_free_gev: float = 70.0


@dataclass(frozen=True)
class SumNumbers:
    """Energy sums [L1, section 5.5].

    Attributes:
        tower_hw: least energy of a tower in ETT and tower count (tuned).
        met_hw, met_endcap_hw, met_forward_hw: least energy of a tower in ETM and ETMHF at |eta| below 1.5, 3,
            above ([L1] has thresholds by eta and pile-up; these are tuned).
        met_per_tower: rise of `met_endcap_hw` with the towers above threshold in |eta| < 0.35 (tuned).
        met_scale, methf_scale: calibration (tuned).
        htt_jet_hw: least energy of a jet in HTT and MHT, 30 GeV [L1].
        htt_row: rows of towers from the middle within which its axis lies: 27, |eta| < 2.5 [L1].
        bias_hw: least energy of an HF tower that the minimum-bias counters count (tuned).
    """

    tower_hw: float = 1.0
    met_hw: float = 2.0
    met_endcap_hw: float = 4.0
    met_forward_hw: float = 8.0
    met_per_tower: float = 0.03
    met_scale: float = 1.0
    methf_scale: float = 1.0
    htt_jet_hw: float = 60.0
    htt_row: float = 26.0
    bias_hw: float = 4.0


@dataclass(frozen=True)
class MuonNumbers:
    """The muon track finders: barrel to |eta| 0.83, overlap to 1.24, endcap to 2.4 [L1, section 4].

    Attributes:
        barrel_reach_gev, overlap_reach_gev, endcap_reach_gev: pT at which half of the muons reach the stations
            (tuned to the energy loss in calorimeter and yoke).
        reach_width: relative width of that turn-on (tuned).
        barrel_efficiency, overlap_efficiency, endcap_efficiency: plateau of any quality [L1, figure 16].
        barrel_resolution, overlap_resolution, endcap_resolution: relative width of 1/pT [L1, section 4] (tuned).
        scale: pT assigned / pT, so that a threshold is 90% efficient [L1, section 4.1] (tuned).
        tail: part of muons whose pT is far too high (tuned).
        tail_power: exponent of that integral spectrum of pT assigned / pT (tuned).
        tail_decay: factor on `tail` for pions and kaons that decay in flight (tuned).
        single_quality, double_quality: parts with quality 12 and more, with 8 to 11; the rest 4 to 7 (tuned).
        tail_single_quality: the same where the pT is far too high (tuned).
        wrong_charge: part with the wrong charge, at 10 GeV; it grows with pT (tuned).
        punch_through: chance that a hadron of 10 GeV gives a muon; it grows with pT (tuned).
        merged: distance in eta and phi at which two muons become one (tuned).
        ghost: chance that a muon is found twice (tuned).
        angle: width of the measured phi and eta (tuned).
        decay_m: way on which pions and kaons may decay, the calorimeters' inner radius and a little more (tuned).
    """

    barrel_reach_gev: float = 4.0
    overlap_reach_gev: float = 3.4
    endcap_reach_gev: float = 2.6
    reach_width: float = 0.12
    barrel_efficiency: float = 0.96
    overlap_efficiency: float = 0.93
    endcap_efficiency: float = 0.95
    barrel_resolution: float = 0.16
    overlap_resolution: float = 0.20
    endcap_resolution: float = 0.20
    scale: float = 1.16
    tail: float = 0.027
    tail_power: float = 1.4
    tail_decay: float = 1.0
    single_quality: float = 0.80
    double_quality: float = 0.12
    tail_single_quality: float = 0.7
    wrong_charge: float = 0.01
    punch_through: float = 0.0006
    merged: float = 0.03
    ghost: float = 0.006
    angle: float = 0.02
    decay_m: float = 1.35


@dataclass(frozen=True)
class Level1:
    """All numbers of the Level-1 trigger."""

    towers: TowerNumbers = TowerNumbers()
    jets: JetNumbers = JetNumbers()
    clusters: ClusterNumbers = ClusterNumbers()
    sums: SumNumbers = SumNumbers()
    muons: MuonNumbers = MuonNumbers()


TUNING: Final = Level1()
"""The numbers as tuned on one half of the measured seeds (`docs/simulation.md`, "Tuning")."""
