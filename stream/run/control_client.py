"""The other side of run control: finds a running chain and asks it (`docs/run-control.md`)."""

from __future__ import annotations

import getpass
import json
import platform
import secrets
from pathlib import Path
from typing import Any, Final

import zmq

from stream.errors import ProtocolError
from stream.run.control import CONTROL_FILE
from stream.wire.messages import pack_json, unpack_json
from stream.wire.security import Security, open_security
from triggers.errors import BadValue, FileUnreadable, L1ChainError

PATIENCE_S: Final = 60.0
"""A change may have to wait for a service that is being replaced."""
_PROBE_S: Final = 2.0
_WHERE: Final = "run control"


class Client:
    """Asks one run.

    Args:
        folder: of the run.
        endpoint: where it takes commands; None: as the folder says.
        security: keys, for a run on another host.

    Attributes:
        folder, endpoint, security: as above.

    Raises:
        BadValue: it is not running.
    """

    def __init__(self, folder: Path, endpoint: str | None = None, security: Security | None = None) -> None:
        self.folder, self.security = folder, security
        self.endpoint = endpoint or _endpoint_of(folder)

    @classmethod
    def remote(cls, address: str, keys: Path, name: str) -> Client:
        """A client of a run on another host.

        Args:
            address: `HOST:PORT`, what the run has as `security.commands`.
            keys: folder with the server's public key and the client's pair.
            name: of the client's key.

        Raises:
            FileMissing, KeyUnusable: a key is not there, or cannot be used.
        """
        return cls(Path(address), f"tcp://{address}", open_security(keys, name))

    def ask(
        self,
        command: str,
        arguments: dict[str, Any] | None = None,
        patience_s: float = PATIENCE_S,
        request_id: str | None = None,
        who: str | None = None,
    ) -> Any:
        """The result of a command.

        Args:
            command: its name.
            arguments: of the command.
            patience_s: how long to wait for the answer.
            request_id: of the request; the same one again has no further effect. None: a new one.
            who: asks, for the audit; None: this account.

        Raises:
            L1ChainError: the run refused it, or did not answer in time.
        """
        request = {
            "id": request_id or secrets.token_hex(8),
            "who": who or f"{getpass.getuser()}@{platform.node()}",
            "command": command,
            "arguments": arguments or {},
        }
        with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            if self.security is not None:
                self.security.join(socket)
            socket.connect(self.endpoint)
            socket.send(pack_json(request))
            if not socket.poll(int(patience_s * 1000)):
                remedy = "see whether its process lives; what died goes on with `l1chain run --resume`"
                raise BadValue(str(self.folder), f"the run did not answer within {patience_s:g} s", remedy)
            answer = unpack_json(socket.recv(), _WHERE)
        if answer.get("ok") is not True:
            error = answer.get("error")
            if not isinstance(error, dict):
                raise ProtocolError(_WHERE, "an answer that is none")
            raise L1ChainError(*(str(error.get(key, "")) for key in ("where", "what", "remedy")))
        return answer["result"]

    @staticmethod
    def is_there(folder: Path) -> bool:
        """Whether a folder says where its run takes commands."""
        return (folder / CONTROL_FILE).exists()

    def has_left(self) -> bool:
        """Whether its folder says that the run takes commands no more; of a run on another host nobody knows."""
        return self.security is None and not self.is_there(self.folder)

    def is_alive(self) -> bool:
        """Whether the run answers."""
        try:
            self.ask("status", patience_s=_PROBE_S)
        except L1ChainError:
            return False
        return True


def _endpoint_of(folder: Path) -> str:
    path = folder / CONTROL_FILE
    try:
        return str(json.loads(path.read_bytes())["endpoint"])
    except FileNotFoundError:
        raise BadValue(str(folder), "no run is running there", "name the folder of a running run") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileUnreadable(path, f"tells no address ({error})", "check that the run is yours") from error


def find_run(folder: Path | None, below: Path = Path("runs")) -> Client:
    """The run to ask.

    Args:
        folder: of the run; None: the latest that is running.
        below: where runs are, if it is to be found.

    Raises:
        BadValue: there is none.
    """
    if folder is not None:
        return Client(folder)
    found = sorted(below.glob(f"*/{CONTROL_FILE}"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in found:
        client = Client(path.parent)
        if client.is_alive():
            return client
    raise BadValue(str(below), "no run is running there", "name the folder of a run with --run")
