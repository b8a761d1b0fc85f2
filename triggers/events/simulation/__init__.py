"""Simulated crossings: pp interactions, pile-up, detector and Level-1 trigger (`docs/simulation.md`)."""
