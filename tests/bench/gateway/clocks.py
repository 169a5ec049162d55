"""A gateway whose clock can be set while it runs: `python -m tests.bench.gateway.clocks FILE gateway run`.

FILE holds one number, the seconds by which the clock of this process is ahead of the computer's.
"""

from __future__ import annotations

import struct
import sys
import time
from collections.abc import Callable
from mmap import ACCESS_READ, mmap
from pathlib import Path

_AHEAD = struct.Struct("<d")


def put(path: Path, ahead_s: float) -> None:
    """Set a clock."""
    with path.open("r+b" if path.exists() else "wb") as file:
        file.write(_AHEAD.pack(ahead_s))


def set_by(path: Path) -> None:
    """Let the clocks of this process follow a file from now on; those that only count go on as they are."""
    with path.open("rb") as file:
        memory = mmap(file.fileno(), _AHEAD.size, access=ACCESS_READ)
    plain: Callable[[], float] = time.time
    plain_ns: Callable[[], int] = time.time_ns

    def ahead_s() -> float:
        return _AHEAD.unpack(memory[:])[0]

    time.time = lambda: plain() + ahead_s()
    time.time_ns = lambda: plain_ns() + int(ahead_s() * 1e9)


def main() -> None:
    set_by(Path(sys.argv[1]))
    sys.argv[:2] = ["meetnet"]
    from gateway.cli.main import main as meetnet

    meetnet()


if __name__ == "__main__":
    main()
