"""LoRaWAN 1.0.4 Class A over any PHY, for EU868. Blocking: a call ends when its receive windows are over.

    mac = ClassA(phy, ecb, random, clock, store, dev_eui, join_eui, app_key)
    while not mac.join():
        clock.sleep_ms(mac.wait_ms())
    result = mac.send(2, payload)

phy: transmit(freq_hz, sf, bw_khz, power_dbm, payload) -> ticks_us of its end, and
receive(freq_hz, sf, bw_khz, open_at_us, window_us) -> (payload, rssi_dbm, snr_db_x4) or None; its
RadioError goes through to the caller, counters stay safe. ecb(key).encrypt(data) is AES-128-ECB.
random.getrandbits(n). store and retained: load(name) -> bytes | None, save(name, data), see memory.py.
"""

from wire._compat import const
from wire.errors import WireError
from wire.lorawan import eu868, frames, gpstime, join, keys
from wire.lorawan import maccommands as mac

from . import adr, downlink
from .air import Air, air_us
from .dutycycle import NEVER_MS, DutyLedger
from .joinbackoff import JoinBackOff
from .memory import Memory
from .session import Session
from .uptime import Uptime

_CONFIRMED_TRIES = const(4)  # transmissions of a confirmed uplink when NbTrans asks for fewer
_CHECKPOINT_UPLINKS = const(32)
_JOIN_LENGTH = const(23)
_WORTH_WAITING_MS = const(10000)  # a repetition that the duty cycle holds up longer is left out
_ABP_TAG = const(0xFFFF)
_QUIET_BYTES = const(4)
_STORE_FAILS = "store: a counter cannot be saved, so it is not used"


def _quiet_ms(us, max_duty_cycle):
    """Return the silence that begins with a frame, so that 1/2**max_duty_cycle of the time is on air."""
    return (us << max_duty_cycle) // 1000


def _can_obey(accept):
    """Tell whether the windows that a JoinAccept asks for are ones that this device can open."""
    return accept.rx1_dr_offset <= eu868.MAX_RX1_DR_OFFSET and accept.rx2_dr <= eu868.MAX_DR


class Result:
    """What became of an uplink. reason says why `sent` is False; downlinks are (port, bytes)."""

    def __init__(self, sent, reason=""):
        self.sent = sent
        self.acked = False
        self.downlinks = []
        self.reason = reason

    def __repr__(self):
        return "Result(sent=%s, acked=%s, downlinks=%d, reason=%r)" % (
            self.sent,
            self.acked,
            len(self.downlinks),
            self.reason,
        )


class ClassA:
    """The MAC of one device.

    Set by the node: battery (0 external power, 1..254, 255 unknown), adr (False for a moving
    device), first_dr (0..5, data rate of the first JoinRequest), confirmed_tries. To read: joined,
    network_time, link (margin in dB, gateways) after request_link_check(), air (rssi_dbm, snr_db_x4,
    clock_error_us), reason of the last join that was not sent, more (see poll()).
    """

    def __init__(
        self,
        phy,
        ecb,
        random,
        clock,
        store,
        dev_eui,
        join_eui,
        app_key,
        retained=None,
        slept_ms=0,
        duty_cycle=True,
    ):
        self.air = Air(phy, clock)
        self._ecb = ecb
        self._random = random
        self._clock = clock
        self._dev_eui = bytes(dev_eui)
        self._join_eui = bytes(join_eui)
        self._app = ecb(bytes(app_key))
        self._uptime = Uptime(clock)
        self._duty = DutyLedger()
        self._enforce = duty_cycle
        self._back_off = JoinBackOff(random)
        self._memory = Memory(store, retained, self._dev_eui, self._join_eui)
        self._quiet_until_ms = 0
        self._waited = False
        self._requests = b""
        self._last_channel = -1
        self._since_checkpoint = 0
        self._result = None
        self._nwk = self._app_s = None
        self._session = None
        self._answers_due = False
        self.adr = True
        self.first_dr = eu868.MAX_DEFAULT_DR
        self.battery = mac.BATTERY_UNKNOWN
        self.confirmed_tries = _CONFIRMED_TRIES
        self.network_time = None
        self.link = None
        self.more = False
        self.margin_db = 0
        self.reason = ""
        self.dropped = 0
        session, ledger, retained = self._memory.load()
        if session is not None:
            self._use(session)
        self._restore_duty(ledger, retained, slept_ms)

    def _restore_duty(self, ledger, retained, slept_ms):
        """Take up the past hour, and the silence that DutyCycleReq asks for after the last frame.

        How long the power was off nobody knows: as if it had come back at once.
        """
        now = self._uptime.ms()
        s = self._session
        if ledger is None:
            self._duty.assume_half_spent(now)
        elif retained:
            self._duty.restore(ledger[_QUIET_BYTES:], now, slept_ms)
            self._quiet_until_ms = now + int.from_bytes(ledger[:_QUIET_BYTES], "big") - slept_ms
        else:
            self._duty.restore_from_flash(ledger, now)
        if s is not None and s.max_duty_cycle and not retained:
            self._quiet_until_ms = now + _quiet_ms(air_us(s.dr, eu868.max_phy(s.dr)), s.max_duty_cycle)

    # -- what the node asks ------------------------------------------------------------------

    @property
    def joined(self):
        """True when there is a session to send with."""
        return self._session is not None

    @property
    def session(self):
        """The session (see session.py), or None."""
        return self._session

    def uptime_ms(self):
        """Return milliseconds since this object was made; they do not wrap."""
        return self._uptime.ms()

    def wait_ms(self):
        """Return how long to wait before the next join() or, once joined, send()."""
        if self._session is None:
            return self.join_wait_ms()
        return self._uplink_wait_ms(air_us(self._session.dr, eu868.max_phy(self._session.dr)))

    def join_wait_ms(self):
        """Return how long back-off and duty cycle hold the next JoinRequest up."""
        if not self._enforce:
            return 0
        now = self._uptime.ms()
        us = air_us(self._join_dr(), _JOIN_LENGTH)
        wait = self._duty.wait_ms(eu868.JOIN_CHANNELS_HZ[0], us, now)
        self._waits(wait, now)
        return max(self._back_off.wait_ms(us, now), wait, self._quiet_until_ms - now)

    def _waits(self, wait, now):
        """While the duty cycle wants silence, tell flash what has passed: a cut does not start it anew."""
        waited = self._waited
        self._waited = wait > 0
        if (wait or waited) and self._duty.has_aged(now):
            self._memory.save_duty(self._duty.pack_for_flash(now))

    def max_payload(self):
        """Return how many bytes the next uplink can carry beside the MAC commands due; 0 before joining."""
        if self._session is None:
            return 0
        return eu868.max_payload(self._session.dr, len(self._due(frames.MAX_FOPTS)))

    def request_time(self):
        """Ask for the network's time with the next uplink; see network_time."""
        self._request(mac.pack_device_time_req())

    def request_link_check(self):
        """Ask with the next uplink how well we are heard; see link."""
        self._request(mac.pack_link_check_req())

    def _request(self, command):
        if command not in self._requests:  # each is one byte
            self._requests += command

    def keep_duty_cycle(self, keep):
        """Switch the regional duty cycle off, for a test house with a cable instead of an antenna."""
        self._enforce = keep

    @property
    def storage_failures(self):
        """How often a record could not be saved."""
        return self._memory.failures

    @property
    def wants_uplink(self):
        """True when the network waits for something: more downlinks, an ACK, or answers not given yet."""
        s = self._session
        return s is not None and (self.more or s.ack_due or self._answers_due)

    def poll(self):
        """Send an empty uplink: fetches pending downlinks, carries ACK and MAC answers."""
        return self.send(None, b"")

    def personalize(self, dev_addr, nwk_skey, app_skey):
        """Activate by personalisation, for the lab.

        Counters go on where the last session had these very keys; with others they begin at 0, so
        do not go back to keys that were used before.
        """
        s = self._session
        if s is not None and (s.dev_addr, s.nwk_skey, s.app_skey) == (dev_addr, nwk_skey, app_skey):
            return
        s = Session(self._dev_eui, self._join_eui, _ABP_TAG, dev_addr, nwk_skey, app_skey)
        self._use(s)
        self._memory.checkpoint(s)

    # -- join --------------------------------------------------------------------------------

    def join(self):
        """Send one JoinRequest and listen in both windows; True with a new session.

        False without transmission when it is too early (see `reason` and wait_ms). An old session
        stays in use until a JoinAccept has been taken.
        """
        self.reason = ""
        if self.join_wait_ms() > 0:
            self.reason = "too early"
            return False
        if self._memory.dev_nonce > 0xFFFF:
            self.reason = "all DevNonces are used: the device needs a new DevEUI"
            return False
        dr = self._join_dr()
        freq = eu868.JOIN_CHANNELS_HZ[self._below(len(eu868.JOIN_CHANNELS_HZ))]
        try:
            nonce = self._memory.take_dev_nonce()
        except OSError:
            self.reason = _STORE_FAILS
            return False
        request = join.build_join_request(self._app, self._join_eui, self._dev_eui, nonce)
        self._back_off.book(air_us(dr, len(request)), self._uptime.ms())

        def take(phy, snr_db_x4):
            return self._take_join_accept(phy, nonce, dr)

        windows = ((freq, dr), (eu868.RX2_FREQ_HZ, eu868.RX2_DR))
        self._book(freq, air_us(dr, len(request)), True)
        return self.air.exchange(
            request, freq, dr, eu868.MAX_EIRP_DBM, eu868.JOIN_ACCEPT_DELAY1_S, windows, take
        )

    def _join_dr(self):
        """Start fast, then reach further with each attempt; then again."""
        return (self.first_dr - self._back_off.attempts) % (eu868.MAX_DEFAULT_DR + 1)

    def _take_join_accept(self, phy, dev_nonce, dr):
        try:
            accept = join.open_join_accept(self._app, phy)
        except WireError:
            self.dropped += 1
            return False
        if accept.join_nonce <= self._memory.join_nonce or not _can_obey(accept):
            self.dropped += 1
            return False
        nwk_skey, app_skey = keys.session_keys(self._app, accept.join_nonce, accept.net_id, dev_nonce)
        s = Session(self._dev_eui, self._join_eui, dev_nonce, accept.dev_addr, nwk_skey, app_skey)
        s.join_nonce = accept.join_nonce
        s.dr = dr
        s.rx1_dr_offset = accept.rx1_dr_offset
        s.rx2_dr = accept.rx2_dr
        s.rx1_delay_s = accept.rx_delay_s
        s.channels.apply_cflist(accept.cflist)
        self._memory.join_nonce = accept.join_nonce
        self._memory.checkpoint(s)
        self._back_off.reset()
        self._use(s)
        self._requests = b""
        self.more = self._answers_due = False
        return True

    def _use(self, session):
        self._session = session
        self._nwk = self._ecb(session.nwk_skey)
        self._app_s = self._ecb(session.app_skey)

    # -- uplink ------------------------------------------------------------------------------

    def send(self, port, payload, confirmed=False):
        """Send an uplink with its repetitions and listen after each; see Result.

        Not sent, with a reason: without session, when the payload does not fit beside the MAC
        commands that are due (max_payload), when the duty cycle is spent (wait_ms).
        """
        s = self._session
        if s is None:
            return Result(False, "not joined")
        if port is not None and not 1 <= port <= 255:
            return Result(False, "port must be 1..255")
        before = None
        if len(s.sticky) + len(s.answers) + len(self._requests) > frames.MAX_FOPTS:
            before = self._uplink(0, self._due(eu868.max_payload(s.dr)), b"", False)
            if not before.sent:
                return before
        fopts = self._due(frames.MAX_FOPTS)
        if len(payload) > eu868.max_payload(s.dr, len(fopts)):
            result = Result(False, "payload is longer than max_payload()")
        else:
            result = self._uplink(port, bytes(payload), fopts, confirmed)
        if before is not None:
            result.downlinks = before.downlinks + result.downlinks
        return result

    def _due(self, limit):
        """Return the MAC commands that are due, whole ones only, at most limit bytes."""
        s = self._session
        out = b""
        for cid, payload in mac.split(s.sticky + s.answers + self._requests, True):
            if len(out) + 1 + len(payload) > limit:
                break
            out += bytes([cid]) + payload
        return out

    def _uplink(self, port, payload, fopts, confirmed):
        s = self._session
        us = air_us(s.dr, 12 + len(fopts) + (1 + len(payload) if port is not None else 0))
        if self._uplink_wait_ms(us) > 0:
            return Result(False, "duty cycle")
        if s.fcnt_up > 0xFFFFFFFE:
            return Result(False, "all frame counters are used: join again")
        flags = frames.ACK if s.ack_due else 0
        if self.adr:
            flags |= frames.ADR | (frames.ADR_ACK_REQ if adr.asks_for_answer(s) else 0)
        mtype = frames.CONFIRMED_UP if confirmed else frames.UNCONFIRMED_UP
        frame = frames.build_data(
            self._nwk, self._app_s, mtype, s.dev_addr, s.fcnt_up, flags, fopts, port, payload
        )
        try:
            self._memory.reserve(s)
        except OSError:
            return Result(False, _STORE_FAILS)
        s.fcnt_up += 1
        self._sent_commands(len(payload) if port == 0 else len(fopts))
        self._retain()
        result = Result(True)
        self._result = result
        heard = self._repeat(frame, us, confirmed, result)
        self._result = None
        result.acked = result.acked and confirmed
        if not heard and self.adr and self._session is s and adr.count_silence(s):
            self._since_checkpoint = _CHECKPOINT_UPLINKS
        self._since_checkpoint += 1
        if self._since_checkpoint >= _CHECKPOINT_UPLINKS:
            self._since_checkpoint = 0
            self._memory.checkpoint(s)
        self._retain()
        return result

    def _sent_commands(self, length):
        """Forget the commands that go out now, `length` bytes; sticky ones stay until a downlink comes."""
        s = self._session
        s.ack_due = False
        self.more = False
        self._answers_due = False
        length = max(length - len(s.sticky), 0)
        answers = min(length, len(s.answers))
        s.answers = s.answers[answers:]
        self._requests = self._requests[length - answers :]

    def _repeat(self, frame, us, confirmed, result):
        """Transmit until answered or out of tries; True if a downlink was heard."""
        s = self._session
        tries = max(s.nb_trans, self.confirmed_tries) if confirmed else s.nb_trans
        dr, power = s.dr, eu868.eirp_dbm(s.tx_power)
        heard = False
        for i in range(tries):
            if i:
                self._clock.sleep_ms(eu868.RETRANSMIT_MIN_MS + self._below(2000))
                wait = self._uplink_wait_ms(us, dr)
                if wait > _WORTH_WAITING_MS:
                    break
                if wait:
                    self._clock.sleep_ms(wait)
            channel = self._pick_channel(dr, us)
            slot = s.channels.slots[channel]
            windows = (
                (slot[3], eu868.rx1_data_rate(dr, s.rx1_dr_offset)),
                (s.rx2_freq_hz, s.rx2_dr),
            )
            self._book(slot[0], us)
            if self.air.exchange(frame, slot[0], dr, power, s.rx1_delay_s, windows, self._take_downlink):
                heard = True
                if not confirmed or result.acked:
                    break
        return heard

    def _pick_channel(self, dr, us):
        """Return an enabled channel at random: free ones first, another one than the last if there is one."""
        now = self._uptime.ms()
        channels = self._session.channels
        usable = channels.for_dr(dr)
        if not usable:
            channels.enable_defaults()
            usable = channels.for_dr(dr)
        if self._enforce:
            usable = [i for i in usable if not self._duty.wait_ms(channels.slots[i][0], us, now)] or usable
        others = [i for i in usable if i != self._last_channel] or usable
        self._last_channel = others[self._below(len(others))]
        return self._last_channel

    def _uplink_wait_ms(self, us, dr=None):
        if not self._enforce:
            return 0
        s = self._session
        now = self._uptime.ms()
        wait = NEVER_MS
        for i in s.channels.for_dr(s.dr if dr is None else dr):
            wait = min(wait, self._duty.wait_ms(s.channels.slots[i][0], us, now))
        self._waits(wait, now)
        return max(wait, self._quiet_until_ms - now, 0)

    # -- the air -----------------------------------------------------------------------------

    def _book(self, freq_hz, us, joining=False):
        """Book air time before it is used: a power cut in the middle of a frame does not give it back."""
        now = self._uptime.ms()
        s = self._session
        if s is not None and s.max_duty_cycle:
            self._quiet_until_ms = now + _quiet_ms(us, s.max_duty_cycle)
        self._duty.book(freq_hz, us, now)
        if self._enforce and (joining or self._duty.must_save(freq_hz)):
            self._memory.save_duty(self._duty.pack_for_flash(now, 0 if joining else freq_hz))

    def _retain(self):
        if self._session is not None:
            now = self._uptime.ms()
            quiet = min(max(self._quiet_until_ms - now, 0), 0xFFFFFFFF)
            self._memory.retain(self._session, quiet.to_bytes(_QUIET_BYTES, "big") + self._duty.dump(now))

    # -- downlink ----------------------------------------------------------------------------

    def _take_downlink(self, phy, snr_db_x4):
        """Take a frame heard in a window; True ends the listening."""
        self.margin_db = snr_db_x4 // 4
        taken = downlink.take(phy, self._session, self._nwk, self._app_s, self)
        if taken is None:
            self.dropped += 1
            return False
        port, data, acknowledges, self.more = taken
        self._answers_due = bool(self._session.answers or self._session.sticky)
        if acknowledges:
            self._result.acked = True
        if port:
            self._result.downlinks.append((port, data))
        # At once, so that a power cut leaves no order of the network half obeyed; no window follows.
        self._memory.checkpoint(self._session)
        self._since_checkpoint = 0
        return True

    def heard_time(self, gps_s, fraction_256):
        """Take a DeviceTimeAns: the time at the end of the uplink that asked."""
        at = self._clock.ticks_add(self._clock.ticks_ms(), -self.air.since_tx_ms())
        self.network_time = (gpstime.unix_ms(gps_s, fraction_256), at)

    def heard_link_check(self, margin_db, gateways):
        """Take a LinkCheckAns."""
        self.link = (margin_db, gateways)

    def _below(self, n):
        """Return a random number 0..n-1 (n up to 4096; the slope is far below what matters here)."""
        return self._random.getrandbits(24) % n
