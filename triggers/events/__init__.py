"""The L1 objects of a crossing: format, packing, units, sources."""
