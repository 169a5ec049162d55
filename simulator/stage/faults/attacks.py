"""Somebody who means harm: frames played again, frames made up, floods."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from simulator.channel import semtech
from simulator.channel.frame import Frame
from simulator.stage.faults.base import Fault

if TYPE_CHECKING:
    from simulator.stage.stage import Stage

_UNCONFIRMED_UP = 0x40  # LoRaWAN 1.0.4, 4.2: MHDR


class ReplayedFrames(Fault, tag="replayed_frames"):
    """Frames that were heard are sent once more."""

    DOES: ClassVar[str] = "`count` frames that were on the air before are sent again, byte for byte"

    count: Annotated[int, Meta(ge=1, le=10000, description="how many, 1 to 10000")] = 20

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Send them, the newest ones last."""
        heard = stage.air.uplinks[-max(self.count, 200) :]
        picked = sorted(rng.sample(range(len(heard)), min(self.count, len(heard))))
        for i, at in enumerate(picked):
            stage.air.inject(_copy(heard[at], stage.now_us() + 50_000 + i * 3_000_000))
        return f"{len(picked)} frames"


class ForgedFrames(Fault, tag="forged_frames"):
    """Frames with true addresses and made-up bytes."""

    DOES: ClassVar[str] = (
        "`count` frames with addresses of true nodes, a later counter and a wrong MIC are sent"
    )

    count: Annotated[int, Meta(ge=1, le=10000, description="how many, 1 to 10000")] = 20

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Make them up."""
        known = sorted({f.payload[1:5] for f in stage.air.uplinks if f.payload[0] & 0xE0 in (0x40, 0x80)})
        addresses = known or [rng.randbytes(4)]
        for i in range(self.count):
            body = bytes([_UNCONFIRMED_UP]) + rng.choice(addresses) + b"\x00"
            body += (
                rng.randrange(1, 65536).to_bytes(2, "little") + b"\x01" + rng.randbytes(rng.randrange(8, 40))
            )
            start_us = stage.now_us() + 50_000 + i * 3_000_000
            frame = Frame(start_us, rng.choice((868_100_000, 868_300_000, 868_500_000)), 7, 125, body)
            stage.air.inject(frame)
        return f"{self.count} frames"


class Flood(Fault, tag="flood"):
    """More datagrams than anybody sends: well-formed ones with rubbish, and rubbish."""

    DOES: ClassVar[str] = (
        "`per_s` datagrams a second hit the gateway's UDP port: rubbish, and rubbish in due form"
    )
    LASTS: ClassVar[str] = "10s"

    per_s: Annotated[int, Meta(ge=1, le=5000, description="datagrams a second, 1 to 5000")] = 100

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Send them while it lasts."""
        n = self.per_s * self.lasts_us // 1_000_000
        stage.spawn(self._pour(stage, rng, n))
        return f"{n} datagrams"

    async def _pour(self, stage: Stage, rng: random.Random, n: int) -> None:
        frame = Frame(stage.now_us(), 868_100_000, 7, 125, b"x")
        for i in range(n):
            if i % 2:
                body = rng.randbytes(rng.randrange(1, 300))
            else:
                fake = replace(frame, payload=rng.randbytes(rng.randrange(12, 60)))
                row = semtech.rxpk(fake, rng.randrange(1 << 32), -100.0, 1.0, 0)
                head = semtech.header(semtech.PUSH_DATA, i & 0xFFFF, b"\x02flooded")
                body = head + semtech.dumps({"rxpk": [row]})
            stage.datagram(body)
            await stage.sleep_us(1_000_000 // self.per_s)


def _copy(frame: Frame, start_us: int) -> Frame:
    return Frame(
        start_us,
        frame.freq_hz,
        frame.sf,
        frame.bw_khz,
        frame.payload,
        power_dbm=frame.power_dbm,
        crc=frame.crc,
        preamble=frame.preamble,
        coding_rate=frame.coding_rate,
    )
