"""Serves the page: its files, the plots, the state of the run, and a place for commands (`docs/page.md`)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bokeh.settings import settings as bokeh_settings
from tornado.httpserver import HTTPServer
from tornado.httputil import split_host_and_port
from tornado.netutil import bind_sockets
from tornado.web import Application, HTTPError, RequestHandler, StaticFileHandler

from stream.errors import AddressInUse
from stream.page.commands import MOST_BYTES, CommandDesk
from stream.page.errors import CommandRefused
from stream.page.plots import Look, plots
from stream.page.watcher import Watcher
from stream.run.control import write_private
from stream.wire.security import is_loopback
from triggers.errors import L1ChainError

PAGE_FILE: Final = "page.json"
SETTING: Final = "page.address"
_ASSETS: Final = Path(__file__).parent / "assets"
_FILES: Final = (
    "page.css",
    "icon.svg",
    *(f"{n}.js" for n in ("page", "charts", "controls", "event", "tables", "text")),
)
_FIRST_S: Final = 5.0
_OWN_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Place:
    """Where a page is.

    Attributes:
        url: to look at it.
        token: to give commands.
    """

    url: str
    token: str

    @property
    def with_token(self) -> str:
        """The address that lets the browser know the token; what stands behind # is not sent to the server."""
        return f"{self.url}#token={self.token}"


async def serve(
    watcher: Watcher, address: str, began: Callable[[Place], None], ended: Callable[[], Awaitable[Any]]
) -> None:
    """Serve the page of a run.

    Args:
        watcher: of the run.
        address: `HOST:PORT`, port 0 for a free one.
        began: called once it is served.
        ended: awaited once it is served; then serving ends.

    Raises:
        AddressInUse: the address cannot be listened on.
    """
    host, _, port = address.rpartition(":")
    desk = CommandDesk(watcher)
    server = HTTPServer(_application(watcher, desk, host), max_buffer_size=1 << 20, max_body_size=MOST_BYTES)
    try:
        sockets = bind_sockets(int(port), host, family=socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise AddressInUse(SETTING, address, str(error)) from None
    server.add_sockets(sockets)
    place = Place(f"http://{host}:{sockets[0].getsockname()[1]}/", desk.token)
    with _told_in_folder(watcher.folder, place):
        began(place)
        try:
            await ended()
        finally:
            server.stop()
            await server.close_all_connections()


@contextmanager
def _told_in_folder(folder: Path, place: Place) -> Iterator[None]:
    """Write where the page is, and its token, where only this account can read it."""
    path = folder / PAGE_FILE
    told = json.dumps({"url": place.url, "token": place.token, "pid": os.getpid()}).encode()
    # A folder of others may be looked at; then the token is only in the terminal.
    with contextlib.suppress(OSError):
        write_private(path, told)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if path.read_bytes() == told:  # not that of another page of the run
                path.unlink()


def _application(watcher: Watcher, desk: CommandDesk, host: str) -> Application:
    return Application(
        [
            (r"/()", _File, {"path": str(_ASSETS), "default_filename": "page.html"}),
            (rf"/({'|'.join(map(re.escape, _FILES))})", _File, {"path": str(_ASSETS)}),
            (r"/(bokeh\.min\.js)", _File, {"path": str(Path(bokeh_settings.bokehjs_path()) / "js")}),
            (r"/plots/(light|dark)", _Plots),
            (r"/state", _State, {"watcher": watcher}),
            (r"/command", _Command, {"desk": desk}),
        ],
        compress_response=True,
        log_function=lambda _: None,
        host_names=_OWN_NAMES | {host} if is_loopback(f"tcp://{host}:0") else None,
    )


def _harden(handler: RequestHandler) -> None:
    handler.set_header("Content-Security-Policy", _POLICY)
    handler.set_header("X-Content-Type-Options", "nosniff")
    handler.set_header("Referrer-Policy", "no-referrer")
    handler.set_header("Cache-Control", "no-cache")
    handler.clear_header("Server")


def _check_host(handler: RequestHandler) -> None:
    """On loopback, a page of another site must not read this one under a name of its own."""
    names = handler.settings["host_names"]
    if names is not None and split_host_and_port(handler.request.host)[0] not in names:
        raise HTTPError(403, reason="Unknown Host")


class _File(StaticFileHandler):
    def prepare(self) -> None:
        _check_host(self)

    def set_extra_headers(self, path: str) -> None:  # noqa: ARG002 (of Tornado's interface)
        _harden(self)


class _Handler(RequestHandler):
    def prepare(self) -> None:
        _check_host(self)

    def set_default_headers(self) -> None:
        _harden(self)

    def tell(self, content: bytes) -> None:
        """Answer with JSON."""
        self.set_header("Content-Type", "application/json")
        self.finish(content)


class _Plots(_Handler):
    def get(self, look: str) -> None:
        self.tell(json.dumps(plots(Look(look))).encode())


class _State(_Handler):
    def initialize(self, watcher: Watcher) -> None:
        self._watcher = watcher

    async def get(self) -> None:
        self.tell(await asyncio.to_thread(self._watcher.told, _FIRST_S))


class _Command(_Handler):
    def initialize(self, desk: CommandDesk) -> None:
        self._desk = desk

    async def post(self) -> None:
        try:
            self._desk.check(self.request.headers.get("Authorization", ""), self.request.remote_ip or "")
            result = await asyncio.to_thread(self._desk.obey, self.request.body)
        except L1ChainError as error:
            self.set_status(403 if isinstance(error, CommandRefused) else 200)
            told = error.parts
            self.tell(json.dumps({"ok": False, "error": told}).encode())
        else:
            self.tell(json.dumps({"ok": True, "result": result}).encode())
