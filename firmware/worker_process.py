"""The child of `firmware.worker`: loads a shared object and scores batches that stand in shared memory.

It runs as a script of its own, with nothing but the standard library, so that foreign code finds nothing of its parent.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import signal
import sys
from typing import Final

READY: Final = b"R"
SCORED: Final = b"S"
REFUSED: Final = b"E"
REQUEST_BYTES: Final = 8
_PR_SET_NO_NEW_PRIVS: Final = 38
_OPEN_FILES: Final = 32


def main(arguments: list[str]) -> int:
    """Serve until the parent closes its end.

    Args:
        arguments: library, function, descriptors of requests, answers and memory, bytes of memory, where in it the
            outputs begin, seconds a batch, bytes of address space.
    """
    library, function, *numbers = arguments
    requests, answers, memory, memory_bytes, outputs_at, seconds, address_space = map(int, numbers)
    _limit(address_space)
    shared = mmap.mmap(memory, memory_bytes)
    first = ctypes.addressof(ctypes.c_char.from_buffer(shared))
    signal.alarm(seconds)
    try:
        score = getattr(ctypes.CDLL(library, mode=os.RTLD_LOCAL | os.RTLD_NOW), function)
    except (OSError, AttributeError) as error:
        os.write(answers, REFUSED + str(error).encode()[:4096])
        return 1
    score.argtypes, score.restype = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t), None
    signal.alarm(0)
    os.write(answers, READY)
    while request := os.read(requests, REQUEST_BYTES):
        signal.alarm(seconds)
        score(first, first + outputs_at, int.from_bytes(request, "little"))
        signal.alarm(0)
        os.write(answers, SCORED)
    return 0


def _limit(address_space: int) -> None:
    """Limits that the code to come cannot lift; an alarm ends the process even if its parent is gone."""
    resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
