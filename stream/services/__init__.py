"""Who works: producer, stages, combiner, sinks."""
