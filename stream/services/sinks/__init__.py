"""Where decisions end: accepted crossings, rate tables, the run record."""
