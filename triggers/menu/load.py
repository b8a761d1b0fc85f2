"""Loads a menu from a file in either syntax (`docs/menu-format.md`)."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path

from triggers.errors import FileMissing, FileUnreadable
from triggers.menu.build import Report, raise_at_once
from triggers.menu.model import Menu
from triggers.menu.xml import read_xml_menu
from triggers.menu.yaml import read_yaml_menu
from triggers.shipped import find_file

_GZIP_MAGIC = b"\x1f\x8b"
_LARGEST_MENU_BYTES = 64 * 1024 * 1024
"""Far beyond any menu (the largest has 4 MB): a small compressed file cannot fill the memory."""


def load_menu(path: str | Path, report: Report = raise_at_once) -> Menu:
    """The menu of a file: CMS XML, plain or compressed with gzip, or YAML.

    Args:
        path: the file; `shipped:menus/demo.yaml` names one that ships with l1chain.
        report: takes the error of a part, which is then left out; by default the first one is raised.

    Raises:
        FileMissing: there is no such file.
        FileUnreadable: it is damaged, or of another kind.
        MenuSyntax: the menu or an expression does not parse.
        UnknownName: it uses a name that does not exist.
        BadValue: a value is not allowed where it stands.
    """
    file = find_file(path, role="menu") if str(path).startswith("shipped:") else Path(path)
    content = _read(file)
    digest = hashlib.sha256(content).hexdigest()
    if content.startswith(_GZIP_MAGIC):
        content = _decompressed(content, file)
    if file.suffix.lower() in {".yaml", ".yml"}:
        return read_yaml_menu(content, str(path), digest, report)
    if file.suffix.lower() == ".xml" or content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return read_xml_menu(content, str(path), digest, report)
    raise FileUnreadable(file, "neither menu XML nor YAML", "name a file that ends in .xml, .xml.gz, .yaml or .yml")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise FileMissing(file, "menu") from None
    except OSError as error:
        raise FileUnreadable(file, f"cannot be read ({error.strerror})", "name a readable menu file") from error


def _decompressed(content: bytes, file: Path) -> bytes:
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = inflater.decompress(content, _LARGEST_MENU_BYTES)
    except zlib.error as error:
        raise FileUnreadable(file, f"damaged gzip data ({error})") from error
    if inflater.unconsumed_tail:
        raise FileUnreadable(file, "more than 64 MiB when decompressed", "name a menu file")
    if not inflater.eof:
        raise FileUnreadable(file, "the gzip data end too early")
    return plain
