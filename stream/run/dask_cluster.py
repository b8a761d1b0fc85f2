"""Connections to a dask cluster, and a cluster of this host alone (`docs/replay.md`, "More machines")."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from stream.wire.security import is_loopback
from triggers.errors import BadValue, FileMissing

if TYPE_CHECKING:
    from distributed import Client

SCHEME: Final = "dask"
WORKER_MEMORY: Final = "4GiB"
"""Limit of a worker of the local cluster: dask pauses it at 80 % and restarts it at 95 %."""
_CONNECT_S: Final = 10
_WHERE: Final = "--executor"


@dataclass(frozen=True)
class Tls:
    """Certificates of a cluster.

    Attributes:
        ca: of the authority that signed the others.
        certificate, key: of this client.
    """

    ca: Path
    certificate: Path
    key: Path

    @classmethod
    def parse(cls, text: str) -> Tls:
        """From `CA,CERT,KEY`.

        Raises:
            BadValue: it is none.
            FileMissing: one of the files is not there.
        """
        parts = [Path(part) for part in text.split(",")]
        if len(parts) != len(cls.__dataclass_fields__):
            raise BadValue("--dask-tls", f"'{text}' are no three files", "write CA,CERT,KEY")
        for path in parts:
            if not path.is_file():
                raise FileMissing(path, "certificate or key")
        return cls(*parts)


@contextmanager
def dask_client(executor: str, tls: Tls | None, is_network_trusted: bool, workers: int | None) -> Iterator[Client]:
    """A client of the cluster that `dask` (one of this host, made here) or `dask://HOST:PORT` names.

    Args:
        executor: as written.
        tls: certificates; None: those of dask's own configuration, or none.
        is_network_trusted: whether to connect to another host without TLS.
        workers: of the local cluster; None: one for each core.

    Raises:
        BadValue: dask is not installed; the address is none; nobody answers; it is not protected.
    """
    try:
        from distributed import Client, LocalCluster
        from distributed.security import Security
    except ImportError:
        raise BadValue(_WHERE, "dask is not installed", "pip install 'l1chain[scale]'") from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    if executor == SCHEME:
        # TLS with keys of its own: otherwise whoever has an account on this host could give the workers work.
        cluster = LocalCluster(
            n_workers=workers or len(os.sched_getaffinity(0)),
            threads_per_worker=1,
            processes=True,
            memory_limit=WORKER_MEMORY,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            security=Security.temporary(),
            protocol="tls://",
        )
        with cluster, Client(cluster) as client:
            yield client
        return
    security = (
        Security()
        if tls is None
        else Security(
            tls_ca_file=str(tls.ca),
            tls_client_cert=str(tls.certificate),
            tls_client_key=str(tls.key),
            require_encryption=True,
        )
    )
    address = _address(executor, is_encrypted=bool(security.tls_ca_file), is_network_trusted=is_network_trusted)
    try:
        client = Client(address, security=security, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        reason = str(error).strip().split("\n", 1)[0] or type(error).__name__
        remedy = "start `dask scheduler` and `dask worker` there, of the same dask version, with the same certificates"
        raise BadValue(_WHERE, f"no dask scheduler answers at {address} ({reason})", remedy) from error
    with client:
        yield client


def _address(executor: str, is_encrypted: bool, is_network_trusted: bool) -> str:
    scheme, _, place = executor.partition("://")
    host, _, port = place.rpartition(":")
    if scheme != SCHEME or not host or not port.isdigit():
        raise BadValue(_WHERE, f"'{executor}' is no executor", "write local, dask, or dask://HOST:PORT")
    if is_encrypted:
        return f"tls://{place}"
    if not is_loopback(f"tcp://{place}") and not is_network_trusted:
        what = f"{place} is another host, and there are no certificates: whoever listens can change the result"
        remedy = "name them with --dask-tls CA,CERT,KEY, or give --dask-trust-network where the network is yours alone"
        raise BadValue(_WHERE, what, remedy)
    return f"tcp://{place}"
