"""Who conducts: configuration, supervisor, metrics, results."""
