"""What an anomaly-detection model is: inputs, score, versions on disk, the backends that run it."""
