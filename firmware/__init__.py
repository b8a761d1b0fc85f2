"""A model as hardware: the layer between `models` and `stream`."""
