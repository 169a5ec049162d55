"""A network server in a process of its own, to be killed: `python -m tests.gateway.lns.served FOLDER`.

Prints its UDP port, then one line an uplink that its sink has made durable: counter and payload.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from gateway.clock import SystemClock
from gateway.counters import Counters
from gateway.ingest.semtech_udp import SemtechUdpServer, SemtechUdpSettings
from gateway.lns import LnsSettings, NetworkServer, SessionStore
from gateway.model import Uplink
from tests.gateway.lns.street import Street


class FileSink:
    def __init__(self, path: Path) -> None:
        self.file = path.open("ab", buffering=0)

    async def accept(self, uplink: Uplink) -> None:
        self.file.write(f"{uplink.f_cnt} {uplink.payload.hex()} {uplink.received_at_ms}\n".encode())
        os.fsync(self.file.fileno())


async def main(folder: Path) -> None:
    street = Street(folder / "unused")
    street.device(1)
    counters = Counters()
    server = NetworkServer(
        street.keys,
        FileSink(folder / "sink.txt"),
        SessionStore(folder / "lns.sqlite"),
        SystemClock(),
        counters,
        LnsSettings(gathering_s=0.01),
    )
    udp = SemtechUdpServer(server, SystemClock(), counters, SemtechUdpSettings(port=0))
    server.attach(udp)
    await udp.start()
    await server.start()
    sys.stdout.write(f"{udp.port}\n")
    sys.stdout.flush()
    await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
