"""What the network knows of a device between two frames."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from wire.lorawan.frames import DataFrame, full_fcnt, mic_ok

from .aes import Ecb

NEW = "new"
COPY = "copy"
REPLAY = "replay"
FOREIGN = "foreign"


@dataclass(slots=True)
class JoinState:
    """The nonces of a device: the last DevNonce that it used, the last JoinNonce that we gave."""

    dev_nonce: int = -1
    join_nonce: int = 0


@dataclass(slots=True, eq=False)
class Session:
    """One session. fcnt_up is the last accepted (-1: none), fcnt_down the next to use.

    A session is born at the JoinAccept and `active` from its first uplink on; until then the one
    before it stays, because the JoinAccept may never have been heard.
    """

    dev_eui: str
    join_nonce: int
    dev_addr: int
    nwk_s_key: bytes = field(repr=False)
    app_s_key: bytes = field(repr=False)
    rx_delay_s: int
    rx1_dr_offset: int
    rx2_dr: int
    channel_mask: int
    active: bool = False
    fcnt_up: int = -1
    fcnt_down: int = 0
    tx_power: int = 0
    rx_asked: int = 0  # receive parameters that were ordered and not answered yet (parameters.pack)
    # Not durable: found again within a few uplinks.
    accepted_at_s: float = 0.0
    snr_db: deque[float] = field(default_factory=lambda: deque(maxlen=20))
    uplink_dr: int | None = None
    adr_asked: tuple[int, int] | None = None
    adr_refusals: int = 0
    rx_refusals: int = 0
    sticky: bool = False  # the last uplink carried answers that are repeated until a downlink comes
    nwk: Ecb = field(init=False, repr=False)
    app: Ecb = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.nwk = Ecb(self.nwk_s_key)
        self.app = Ecb(self.app_s_key)

    def judge(self, frame: DataFrame) -> tuple[str, int]:
        """Return (NEW | COPY | REPLAY | FOREIGN, 32-bit counter) of an uplink to this DevAddr.

        COPY is the last accepted counter again (NbTrans, a confirmed retry, a late gateway); REPLAY
        has a valid MIC and an older counter; FOREIGN fits no counter: not our device, or forged.
        """
        if (
            self.fcnt_up >= 0
            and frame.fcnt16 == self.fcnt_up & 0xFFFF
            and mic_ok(self.nwk, frame, self.fcnt_up)
        ):
            return COPY, self.fcnt_up
        fcnt = full_fcnt(self.fcnt_up, frame.fcnt16)
        if fcnt is not None and mic_ok(self.nwk, frame, fcnt):
            return NEW, fcnt
        older = frame.fcnt16 + (self.fcnt_up & ~0xFFFF)
        for candidate in (older, older - 0x10000):
            if 0 <= candidate < self.fcnt_up and mic_ok(self.nwk, frame, candidate):
                return REPLAY, candidate
        return FOREIGN, -1


@dataclass(slots=True)
class QueuedDownlink:
    """An application payload that waits for its device to speak; a confirmed one also for its answer.

    attempts: how often it went out. awaiting: it went out after the last uplink, so the next one tells.
    """

    id: int
    dev_eui: str
    f_port: int
    payload: bytes
    confirmed: bool
    attempts: int = 0
    awaiting: bool = False
