"""Training (extra `[train]`)."""
