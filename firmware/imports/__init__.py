"""Import of models that come as C++: hls4ml projects and `triggerflow` archives (`docs/models-import.md`)."""
