"""Keras models from files, without running what is in them (`docs/models-import.md`, "Keras").

Nothing but layers of Keras and HGQ2 is made: the configuration is checked name by name before Keras reads it, in both
kinds of files, as Keras itself lets `.h5` files bring code.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from models.training.tensorflow_loading import load_tensorflow
from triggers.errors import BadValue, FileMissing, FileUnreadable

LAYERS: Final = frozenset(
    {
        "InputLayer", "Dense", "Activation", "ReLU", "LeakyReLU", "ELU", "Softmax", "BatchNormalization", "Conv1D",
        "Conv2D", "DepthwiseConv2D", "AveragePooling2D", "GlobalAveragePooling2D", "ZeroPadding2D", "Cropping2D",
        "Flatten", "Reshape", "Permute", "Rescaling", "Normalization", "Dropout", "GaussianNoise", "GaussianDropout",
        "SpatialDropout2D", "Add", "Subtract", "Multiply", "Maximum", "Average", "Concatenate",
        "ActivityRegularization",
    }
)  # fmt: skip
"""Of Keras; HGQ2's come besides."""
_MODELS: Final = frozenset({"Functional", "Model", "Sequential"})
_DATA_MODULES: Final = frozenset({"initializers", "regularizers", "constraints", "dtype_policies"})
_DATA_KEY: Final = re.compile(r"(initializer|regularizer|constraint|dtype)$")
_HGQ_MODULES: Final = frozenset({"layers", "quantizer", "constraints", "regularizers"})
_FUNCTION: Final = "function"
_HGQ: Final = "hgq"
_KERAS: Final = "keras"
_PLAIN: Final = frozenset({"DTypePolicy", "__tensor__", "__keras_tensor__", "__ellipsis__", "__numpy__"})
_LARGEST: Final = 256 << 20
_LARGEST_CONFIG: Final = 16 << 20
_ZIP, _HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"


def load_keras(path: Path) -> Any:
    """A Keras model, not compiled.

    Raises:
        FileMissing, FileUnreadable: there is none, or it is damaged.
        BadValue: it brings code, or other layers than those that are known.
    """
    if not path.is_file():
        raise FileMissing(path, "Keras model")
    config = _config(path)
    if isinstance(config, dict):
        config.pop("compile_config", None)  # not read: the model is not compiled
    for where, entry in _classes(config, "config"):
        _check(path, where, entry)
    try:
        load_tensorflow()
        import keras

        if _HGQ in json.dumps(config):
            import hgq.layers  # noqa: F401 - registers its layers
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except ImportError as error:
        raise BadValue(
            path, f"needs a package that is not installed ({error.name})", "install 'l1chain[train]'"
        ) from None
    except Exception as error:  # noqa: BLE001 - Keras raises anything on damaged files
        raise FileUnreadable(path, f"Keras cannot read it ({' '.join(str(error).split())[:200]})") from None


def _config(path: Path) -> Any:
    try:
        if path.stat().st_size > _LARGEST:
            raise FileUnreadable(path, f"has more than {_LARGEST >> 20} MiB", "use a smaller model")
        with path.open("rb") as file:
            magic = file.read(8)
        text = _of_zip(path) if magic.startswith(_ZIP) else _of_hdf5(path) if magic == _HDF5 else None
        if text is None:
            raise FileUnreadable(path, "is no .keras or .h5 file")
        return json.loads(text)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, RecursionError, NotImplementedError) as error:
        raise FileUnreadable(path, f"is damaged ({' '.join(str(error).split())[:120]})") from None


def _of_zip(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > _LARGEST:
            raise FileUnreadable(path, "unpacks to far more than it should", "use a smaller model")
        with archive.open("config.json") as file:
            return file.read(_LARGEST_CONFIG)


def _of_hdf5(path: Path) -> Any:
    import h5py

    with h5py.File(path, "r") as file:
        text = file.attrs["model_config"]
    return text if isinstance(text, bytes | str) else bytes(text)


def _classes(node: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object that the configuration names, with where it stands."""
    if isinstance(node, dict):
        if "class_name" in node:
            yield where, node
        for key, value in node.items():
            yield from _classes(value, f"{where}.{key}")
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from _classes(value, f"{where}[{i}]")


def _check(path: Path, where: str, entry: dict[str, Any]) -> None:
    name, module = str(entry["class_name"]), str(entry.get("module") or "")
    registered = str(entry.get("registered_name") or name)
    parts = module.split(".")
    if parts[0] == _HGQ:
        known = (
            len(parts) > 1 and parts[1] in _HGQ_MODULES and name != _FUNCTION and registered in (name, f"hgq>{name}")
        )
    elif parts[0] == _KERAS:
        known = (name in LAYERS | _MODELS | _PLAIN or bool(set(parts) & _DATA_MODULES)) and registered == name
    else:  # Keras 2 names no modules; what is no layer is looked for among Keras's own
        own = name in LAYERS | _MODELS | _PLAIN or bool(_DATA_KEY.search(where))
        known = not module and own and name != _FUNCTION and registered == name
    if not known:
        what = f"names '{module or _KERAS}.{name}' at {where[-80:]}, which may be code"
        raise BadValue(path, what, f"use layers of Keras among {', '.join(sorted(LAYERS)[:6])}, …, or of HGQ2")
