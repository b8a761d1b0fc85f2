"""Everything that moves: wire, services, runs, command line."""
