"""A station: the client side of the Basics Station LNS protocol, written from its description.

It takes PHYPayloads apart as src/lora.c of Station 2.0.6 does (signed DevAddr and MIC, FPort -1 where
there is none, upper-case hex, EUIs with dashes). The real program is a C build that no package registry
has; what it was seen to do on the wire is in the tests.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import struct

from websockets.asyncio.client import ClientConnection, connect

EUI = "0016c001ff10a235"


def jreq(phy: bytes) -> dict:
    assert len(phy) == 23
    return {
        "msgtype": "jreq",
        "MHdr": phy[0],
        "JoinEui": _dashes(phy[1:9]),
        "DevEui": _dashes(phy[9:17]),
        "DevNonce": struct.unpack_from("<H", phy, 17)[0],
        "MIC": struct.unpack_from("<i", phy, 19)[0],
    }


def updf(phy: bytes) -> dict:
    address, control, counter = struct.unpack_from("<iBH", phy, 1)
    body = 8 + (control & 15)
    rest, mic = phy[body:-4], phy[-4:]
    return {
        "msgtype": "updf",
        "MHdr": phy[0],
        "DevAddr": address,
        "FCtrl": control,
        "FCnt": counter,
        "FOpts": phy[8:body].hex().upper(),
        "FPort": rest[0] if rest else -1,
        "FRMPayload": rest[1:].hex().upper(),
        "MIC": struct.unpack("<i", mic)[0],
    }


def heard(message: dict, xtime: int, dr: int = 5, frequency_hz: int = 868_100_000, rctx: int = 0) -> dict:
    upinfo = {
        "rctx": rctx, "xtime": xtime, "gpstime": 0, "fts": -1, "rssi": -71, "snr": 7.25,
        "rxtime": 1752451200.123,
    }  # fmt: skip
    return message | {"RefTime": 0.000000, "DR": dr, "Freq": frequency_hz, "upinfo": upinfo}


def _dashes(little: bytes) -> str:
    return "-".join(f"{byte:02X}" for byte in reversed(little))


class Station:
    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.config: dict = {}

    @classmethod
    async def start(cls, port: int, eui: str = EUI, uri: str = "", **more: object) -> Station:
        """Connect and say what we are."""
        connection = await connect(uri or f"ws://127.0.0.1:{port}/router-{eui}", **more)
        station = cls(connection)
        await station.send(
            {
                "msgtype": "version", "station": "2.0.6(linux/std)", "firmware": None, "package": None,
                "model": "linux", "protocol": 2, "features": "rmtsh",
            }
        )  # fmt: skip
        station.config = await station.receive()
        return station

    async def send(self, message: dict) -> None:
        await self.connection.send(json.dumps(message))

    async def receive(self, timeout_s: float = 30) -> dict:
        return json.loads(await asyncio.wait_for(self.connection.recv(), timeout_s))

    async def close(self) -> None:
        await self.connection.close()


async def discover(port: int, router: object, tls: ssl.SSLContext | None = None, **more: object) -> dict:
    scheme = "wss" if tls else "ws"
    async with connect(f"{scheme}://127.0.0.1:{port}/router-info", ssl=tls, **more) as connection:
        await connection.send(json.dumps({"router": router}))
        return json.loads(await asyncio.wait_for(connection.recv(), 30))
