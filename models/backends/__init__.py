"""The engines that turn a network and its inputs into scores."""

from models.backends.protocol import Backend, BackendFactory
from models.backends.registry import backend_names, open_backend, quick_backend_names

__all__ = ["Backend", "BackendFactory", "backend_names", "open_backend", "quick_backend_names"]
