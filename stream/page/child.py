"""The page as a child of the run that it watches; whatever becomes of it, the run goes on."""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

from stream.page.errors import PageMissing
from stream.run.config import PageSection

_STARTING_S: Final = 60.0
_LEAVING_S: Final = 5.0
_log = logging.getLogger("l1chain.stream.page")

Say = Callable[[str], None]


class PageChild:
    """Starts the page of a run, and ends it.

    Args:
        section: where it is served, and whether.

    Attributes:
        url: of the page, once it is served.
    """

    def __init__(self, section: PageSection) -> None:
        self._section = section
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._heard = threading.Event()
        self._heard.set()
        self.url: str | None = None

    def begin(self, folder: Path, say: Say) -> None:
        """Start the page of a run that has begun, if it is wanted; never waits for it and never raises.

        Args:
            folder: of the run.
            say: called with where the page is, or why there is none.
        """
        if not self._section.enabled:
            return
        if find_spec("bokeh") is None:
            say(str(PageMissing()))
            return
        command = [sys.executable, "-m", "stream.cli", "page", str(folder), "--address", self._section.address]
        try:
            # A session of its own: Ctrl-C is for the run, whose end the page still shows.
            self._process = subprocess.Popen(  # noqa: S603 (this program itself)
                [*command, "--json", "--until-input-ends"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        except OSError as error:
            say(f"no live page: {error.strerror}")
            return
        self._heard.clear()
        self._reader = threading.Thread(target=self._hear, args=(self._process, say), name="page", daemon=True)
        self._reader.start()

    def served(self) -> bool:
        """Whether it is served; waits a while for a page that is starting."""
        self._heard.wait(_STARTING_S)
        return self.url is not None

    def wait(self) -> None:
        """Until the page ends by itself."""
        if self._process is not None:
            self._process.wait()

    def end(self) -> None:
        """End the page."""
        if self._process is None or self._process.stdin is None:
            return
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_LEAVING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._reader is not None:
            self._reader.join(_LEAVING_S)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _hear(self, process: subprocess.Popen[str], say: Say) -> None:
        if process.stdout is None or process.stderr is None:
            return
        try:
            is_served = self._hear_where(process.stdout, process.stderr, say)
        finally:
            self._heard.set()
        if is_served:
            # Read on, so that it never waits for us.
            for line in process.stderr:
                _log.warning("page: %s", line.rstrip())

    def _hear_where(self, out: IO[str], errors: IO[str], say: Say) -> bool:
        try:
            told = json.loads(out.readline())
            self.url = told["url"]
            say(f"live page: {told['url']}   (with commands: {told['with_token']})")
        except (ValueError, KeyError, TypeError):
            if why := errors.read().strip():  # else it was ended before it began
                say(f"no live page: {why.splitlines()[-1].removeprefix('error: ')}")
            return False
        return True


@contextmanager
def page_child(section: PageSection) -> Iterator[PageChild]:
    """The page of a run while it is entered."""
    child = PageChild(section)
    try:
        yield child
    finally:
        child.end()
