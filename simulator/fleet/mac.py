"""A node's LoRaWAN session in a fleet: real keys, counters, MAC commands and ADR; time is the fleet's.

The rules are those of the firmware's MAC (firmware/radio), in the part that shows on the air of a network
that behaves: joins with rising nonces and falling data rates, FOpts, confirmed uplinks and their
repetitions, LinkADRReq, channels, DeviceTime, receive parameters, the silence that ADR counts. DutyCycleReq
is acknowledged and not obeyed.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.fleet.crypto import Ecb
from wire.errors import WireError
from wire.lorawan import cflist, eu868, frames, gpstime, join, keys
from wire.lorawan import maccommands as mac

_DEFAULTS = 7
_JOIN_DRS = eu868.MAX_DEFAULT_DR + 1
_MASK = (1 << 64) - 1


@dataclass(slots=True)
class Downlink:
    """What an accepted downlink brought."""

    port: int | None
    payload: bytes
    acknowledges: bool
    more: bool
    time_ms: int | None = None  # UTC at the end of the uplink, as the network told it


class Chance:
    """Small random numbers of one node, from its own seed (Knuth's MMIX generator)."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def below(self, n: int) -> int:
        """Return 0..n-1, 0 for n below 2."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & _MASK
        return (self._state >> 33) % n if n > 1 else 0


class Mac:
    """One device. Counters live as long as the object: a fleet's flash does not wear."""

    __slots__ = (
        "_app", "_app_s", "_chance", "_last_channel", "_nwk", "ack_due", "adr_ack_count", "answers",
        "attempts", "channels", "dev_addr", "dev_eui", "dev_nonce", "dr", "fcnt_down", "fcnt_up",
        "join_eui", "join_nonce", "mask", "nb_trans", "pending_dr", "requests", "rx1_delay_s",
        "rx1_dr_offset", "rx2_dr", "rx2_freq_hz", "snr_db", "sticky", "tx_power",
    )  # fmt: skip

    def __init__(self, dev_eui: str, join_eui: str, app_key: str, chance: Chance) -> None:
        self._app = Ecb(bytes.fromhex(app_key))
        self._nwk: Ecb | None = None
        self._app_s: Ecb | None = None
        self._chance = chance
        self._last_channel = -1
        self.dev_eui, self.join_eui = bytes.fromhex(dev_eui), bytes.fromhex(join_eui)
        self.dev_nonce = 0
        self.join_nonce = -1
        self.attempts = 0  # joins without an answer
        self.snr_db = 0
        self.requests = b""
        self._fresh()

    def _fresh(self) -> None:
        self.dev_addr = 0
        self.dr = self.pending_dr = 0
        self.tx_power = 0
        self.nb_trans = 1
        # index -> [uplink Hz, lowest data rate, highest, downlink Hz]
        self.channels = {k: [f, 0, eu868.MAX_DEFAULT_DR, f] for k, f in enumerate(eu868.JOIN_CHANNELS_HZ)}
        self.mask = _DEFAULTS
        self.fcnt_up = 0
        self.fcnt_down = -1
        self.adr_ack_count = 0
        self.rx1_delay_s = eu868.RECEIVE_DELAY1_S
        self.rx1_dr_offset = 0
        self.rx2_dr, self.rx2_freq_hz = eu868.RX2_DR, eu868.RX2_FREQ_HZ
        self.answers = self.sticky = b""
        self.ack_due = False

    @property
    def joined(self) -> bool:
        """Tell whether there is a session."""
        return self._nwk is not None

    @property
    def owes(self) -> bool:
        """Tell whether the network waits for an ACK or an answer."""
        return self.ack_due or bool(self.answers)

    # -- join --------------------------------------------------------------------------------

    def join_dr(self) -> int:
        """Return the data rate of the next JoinRequest: fast first, then further each time."""
        return (eu868.MAX_DEFAULT_DR - self.attempts) % _JOIN_DRS

    def join_request(self) -> tuple[bytes, int, int]:
        """Return (frame, frequency in Hz, data rate) of the next JoinRequest."""
        nonce = self.dev_nonce
        self.dev_nonce += 1
        freq_hz = eu868.JOIN_CHANNELS_HZ[self._chance.below(len(eu868.JOIN_CHANNELS_HZ))]
        self.pending_dr = self.join_dr()
        self.attempts += 1
        return (
            join.build_join_request(self._app, self.join_eui, self.dev_eui, nonce),
            freq_hz,
            self.pending_dr,
        )

    def take_join_accept(self, phy: bytes) -> bool:
        """Take the answer to the last JoinRequest; False for a frame that is not for this device."""
        try:
            accept = join.open_join_accept(self._app, phy)
        except WireError:
            return False
        if accept.join_nonce <= self.join_nonce:
            return False
        nwk, app = keys.session_keys(self._app, accept.join_nonce, accept.net_id, self.dev_nonce - 1)
        dr = self.pending_dr
        self._fresh()
        self._nwk, self._app_s = Ecb(nwk), Ecb(app)
        self.join_nonce = accept.join_nonce
        self.dev_addr, self.dr = accept.dev_addr, dr
        self.rx1_delay_s, self.rx1_dr_offset = accept.rx_delay_s, accept.rx1_dr_offset
        self.rx2_dr = accept.rx2_dr
        self.attempts = 0
        self.requests = b""
        if accept.cflist:
            kind, values = cflist.unpack(accept.cflist)
            if kind == cflist.FREQUENCIES:
                for k, freq_hz in enumerate(values, eu868.FIRST_FREE_CHANNEL):
                    if _usable(freq_hz):
                        self._define(k, freq_hz, 0, eu868.MAX_DEFAULT_DR)
        return True

    # -- uplink ------------------------------------------------------------------------------

    def _due(self, limit: int) -> bytes:
        out = b""
        for cid, payload in mac.split(self.sticky + self.answers + self.requests, True):
            if len(out) + 1 + len(payload) > limit:
                break
            out += bytes([cid]) + payload
        return out

    def request_time(self) -> None:
        """Ask for the time with the next uplink."""
        command = mac.pack_device_time_req()
        if command not in self.requests:
            self.requests += command

    def max_payload(self) -> int:
        """Return how many bytes fit into the next uplink."""
        return eu868.max_payload(self.dr, len(self._due(frames.MAX_FOPTS)))

    def uplink(self, port: int | None, payload: bytes, confirmed: bool) -> bytes:
        """Return the frame of the next uplink; its counter is used up."""
        assert self._nwk is not None and self._app_s is not None
        fopts = self._due(frames.MAX_FOPTS)
        flags = frames.ADR | (frames.ACK if self.ack_due else 0)
        if self.adr_ack_count >= eu868.ADR_ACK_LIMIT and not self._at_the_floor():
            flags |= frames.ADR_ACK_REQ
        mtype = frames.CONFIRMED_UP if confirmed else frames.UNCONFIRMED_UP
        frame = frames.build_data(
            self._nwk, self._app_s, mtype, self.dev_addr, self.fcnt_up, flags, fopts, port, payload
        )
        self.fcnt_up += 1
        self.ack_due = False
        sent = max(len(fopts) - len(self.sticky), 0)
        answers = min(sent, len(self.answers))
        self.answers = self.answers[answers:]
        self.requests = self.requests[sent - answers :]
        return frame

    def pick_channel(self) -> int:
        """Return the frequency of the next transmission: an enabled channel, another than the last."""
        usable = self.usable()
        if not usable:
            self.mask |= _DEFAULTS
            self.dr = min(self.dr, eu868.MAX_DEFAULT_DR)
            usable = self.usable()
        others = [k for k in usable if k != self._last_channel] or usable
        self._last_channel = others[self._chance.below(len(others))]
        return self.channels[self._last_channel][0]

    def usable(self) -> list[int]:
        """Return the channels that are enabled and carry the data rate."""
        return [k for k, row in self.channels.items() if self.mask >> k & 1 and row[1] <= self.dr <= row[2]]

    @property
    def rx1_freq_hz(self) -> int:
        """Where RX1 listens after the last uplink."""
        return self.channels[self._last_channel][3]

    def _define(self, index: int, freq_hz: int, min_dr: int, max_dr: int) -> None:
        self.channels[index] = [freq_hz, min_dr, max_dr, freq_hz]
        self.mask |= 1 << index

    def _new_channel(self, payload: bytes) -> int:
        """Obey a NewChannelReq; return the bits of its answer (TS001-1.0.4 section 5.6)."""
        index, freq_hz, min_dr, max_dr = mac.unpack_new_channel_req(payload)
        if not eu868.FIRST_FREE_CHANNEL <= index < eu868.MAX_CHANNELS:
            return 0
        bits = mac.FREQUENCY_ACK if freq_hz == 0 or _usable(freq_hz) else 0
        bits |= mac.RANGE_ACK if freq_hz == 0 or min_dr <= max_dr <= eu868.MAX_DR else 0
        if bits == mac.FREQUENCY_ACK | mac.RANGE_ACK:
            if freq_hz:
                self._define(index, freq_hz, min_dr, max_dr)
            else:
                self.channels.pop(index, None)
                self.mask &= ~(1 << index)
            if not self.usable():
                self.mask |= _DEFAULTS
                self.dr = min(self.dr, eu868.MAX_DEFAULT_DR)
        return bits

    def _dl_channel(self, payload: bytes) -> int:
        """Obey a DlChannelReq; return the bits of its answer (section 5.8)."""
        index, freq_hz = mac.unpack_dl_channel_req(payload)
        bits = mac.RANGE_ACK if index in self.channels else 0
        bits |= mac.FREQUENCY_ACK if eu868.MIN_FREQ_HZ <= freq_hz <= eu868.MAX_FREQ_HZ else 0
        if bits == mac.FREQUENCY_ACK | mac.RANGE_ACK:
            self.channels[index][3] = freq_hz
        return bits

    def silence(self) -> None:
        """An uplink brought no downlink: count, and climb the ladder of TS001-1.0.4 section 4.3.1.1."""
        self.adr_ack_count += 1
        over = self.adr_ack_count - eu868.ADR_ACK_LIMIT
        if over < eu868.ADR_ACK_DELAY or over % eu868.ADR_ACK_DELAY or self._at_the_floor():
            return
        if self.tx_power:
            self.tx_power = 0
        elif self.dr > eu868.MIN_DR:
            self.dr -= 1
        else:
            self.mask |= _DEFAULTS
            self.nb_trans = 1

    def _at_the_floor(self) -> bool:
        lowest = self.dr == eu868.MIN_DR and self.tx_power == 0 and self.nb_trans == 1
        return lowest and self.mask & _DEFAULTS == _DEFAULTS

    def opened(self, frame: frames.DataFrame, fcnt: int | None) -> bytes:
        """Return what an uplink of this session says; WireError where it is none."""
        if self._nwk is None or self._app_s is None or fcnt is None:
            raise WireError("session", "there is none")
        return frames.decrypt(self._nwk, self._app_s, frame, fcnt)

    # -- downlink ----------------------------------------------------------------------------

    def take(self, phy: bytes) -> Downlink | None:
        """Accept a downlink of this session, or None."""
        if self._nwk is None or self._app_s is None:
            return None
        try:
            frame = frames.parse_data(phy)
        except WireError:
            return None
        if frame.uplink or frame.dev_addr != self.dev_addr:
            return None
        fcnt = frames.full_fcnt(self.fcnt_down, frame.fcnt16)
        if fcnt is None or not frames.mic_ok(self._nwk, frame, fcnt):
            return None
        self.fcnt_down = fcnt
        self.adr_ack_count = 0
        self.sticky = b""
        self.ack_due = frame.confirmed
        data = frames.decrypt(self._nwk, self._app_s, frame, fcnt)
        result = Downlink(frame.port, data, frame.ack, bool(frame.fctrl & frames.F_PENDING))
        self._obey(mac.split(data if frame.port == 0 else frame.fopts, False), result)
        return result

    def _obey(self, commands: list[tuple[int, bytes]], result: Downlink) -> None:
        blocks: list[bytes] = []
        for cid, payload in commands:
            if cid == mac.LINK_ADR:
                blocks.append(payload)
                continue
            self._link_adr(blocks)
            if cid == mac.DEVICE_TIME:
                gps_s, fraction = mac.unpack_device_time_ans(payload)
                result.time_ms = gpstime.unix_ms(gps_s, fraction)
            elif cid == mac.RX_PARAM_SETUP:
                self.rx1_dr_offset, self.rx2_dr, self.rx2_freq_hz = mac.unpack_rx_param_setup_req(payload)
                self.sticky += mac.pack_rx_param_setup_ans(7)
            elif cid == mac.RX_TIMING_SETUP:
                self.rx1_delay_s = mac.unpack_rx_timing_setup_req(payload)
                self.sticky += mac.pack_rx_timing_setup_ans()
            elif cid == mac.DEV_STATUS:
                margin = min(max(self.snr_db, -32), 31)
                self.answers += mac.pack_dev_status_ans(mac.BATTERY_UNKNOWN, margin)
            elif cid == mac.NEW_CHANNEL:
                self.answers += mac.pack_new_channel_ans(self._new_channel(payload))
            elif cid == mac.DL_CHANNEL:
                self.sticky += mac.pack_dl_channel_ans(self._dl_channel(payload))
            elif cid == mac.DUTY_CYCLE:
                self.answers += mac.pack_duty_cycle_ans()
        self._link_adr(blocks)

    def _link_adr(self, blocks: list[bytes]) -> None:
        """Obey LinkADRReqs in a row together."""
        if not blocks:
            return
        defined = sum(1 << k for k in self.channels)
        mask, dr, power, nb_trans, good = self.mask, self.dr, self.tx_power, self.nb_trans, 7
        for payload in blocks:
            dr, power, wanted, control, nb_trans = mac.unpack_link_adr_req(payload)
            if control == 0:
                mask = wanted
            elif control == mac.MASK_ALL_ON:
                mask = defined
            else:
                good &= ~mac.CHANNEL_MASK_ACK
        if not mask or mask & ~defined:
            good &= ~mac.CHANNEL_MASK_ACK
        dr = self.dr if dr == eu868.KEEP else dr
        power = self.tx_power if power == eu868.KEEP else power
        judged = mask if good & mac.CHANNEL_MASK_ACK else self.mask
        carried = any(row[1] <= dr <= row[2] for k, row in self.channels.items() if judged >> k & 1)
        if not eu868.MIN_DR <= dr <= eu868.MAX_DR or not carried:
            good &= ~mac.DATA_RATE_ACK
        if power > eu868.MAX_TX_POWER:
            good &= ~mac.POWER_ACK
        if good == 7:
            self.mask, self.dr, self.tx_power, self.nb_trans = mask, dr, power, nb_trans or 1
        self.answers += mac.pack_link_adr_ans(good) * len(blocks)
        blocks.clear()


def _usable(freq_hz: int) -> bool:
    return eu868.MIN_FREQ_HZ <= freq_hz <= eu868.MAX_FREQ_HZ and eu868.sub_band(freq_hz) is not None
