"""Real brokers on loopback: Mosquitto, with passwords and TLS."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


@contextmanager
def mosquitto(folder: Path, port: int, *lines: str) -> Iterator[subprocess.Popen[bytes]]:
    """A broker that keeps retained messages and queued ones over its death."""
    configuration = folder / "mosquitto.conf"
    state = [f"persistence_location {folder}/", "persistence true", "autosave_interval 1", "user root"]
    configuration.write_text("\n".join([f"listener {port} 127.0.0.1", *lines, *state]) + "\n")
    with (folder / "mosquitto.log").open("ab") as log:
        process = subprocess.Popen([str(MOSQUITTO), "-c", str(configuration)], stdout=log, stderr=log)
    try:
        _wait_for(port)
        yield process
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError("mosquitto does not listen")


def certificates(folder: Path) -> tuple[Path, Path, Path]:
    """A certificate authority, a certificate for 127.0.0.1 and its key."""
    authority, certificate, key = folder / "ca.pem", folder / "server.pem", folder / "server.key"
    extension = folder / "extension.cnf"
    extension.write_text("subjectAltName=IP:127.0.0.1\n")
    new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj"]
    steps = [
        [*new, "/CN=authority", "-x509", "-days", "2", "-keyout", str(folder / "ca.key"), "-out", str(authority)],
        [*new, "/CN=127.0.0.1", "-keyout", str(key), "-out", str(folder / "server.csr")],
        [
            *("openssl", "x509", "-req", "-days", "2", "-in", str(folder / "server.csr"), "-CA", str(authority)),
            *(
                "-CAkey",
                str(folder / "ca.key"),
                "-CAcreateserial",
                "-extfile",
                str(extension),
                "-out",
                str(certificate),
            ),
        ],
    ]
    for step in steps:
        subprocess.run(step, check=True, capture_output=True)
    return authority, certificate, key
