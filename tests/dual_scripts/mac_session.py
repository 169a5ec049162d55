"""The Class A MAC over a scripted PHY, on both Pythons: what it emits, where it listens, what it returns."""

import gc
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0] if "/" in __file__ else ".")

from aes_ecb import ecb

from radio.classa import ClassA
from wire.lorawan.airtime import time_on_air_us

_MASK = (1 << 30) - 1


class _Clock:
    now = 1073000000  # ticks_us wraps during the run

    def ticks_us(self):
        return self.now & _MASK

    def ticks_ms(self):
        return self.now // 1000 & _MASK

    def ticks_diff(self, a, b):
        return ((a - b + (1 << 29)) & _MASK) - (1 << 29)

    def ticks_add(self, a, n):
        return a + n & _MASK

    def sleep_ms(self, n):
        self.now += n * 1000

    def sleep_us(self, n):
        self.now += n


class _Random:
    state = 1

    def getrandbits(self, n):
        self.state = (self.state * 1103515245 + 12345) & 0x7FFFFFFF
        return self.state >> (31 - n)


class _Store:
    def __init__(self):
        self.records = {}

    def load(self, name):
        return self.records.get(name)

    def save(self, name, data):
        self.records[name] = bytes(data)


class _Phy:
    """Answers uplinks by the script {uplink: [window, downlink]}; window 1 or 2, "*40": any empty uplink."""

    def __init__(self, clock, script, events):
        self.clock = clock
        self.script = script
        self.events = events
        self.end = 0
        self.window = 0
        self.answer = None

    def transmit(self, freq_hz, sf, bw_khz, power_dbm, payload):
        self.events.append(["tx", sf, bw_khz, power_dbm, payload.hex()])
        self.clock.now += time_on_air_us(sf, bw_khz, len(payload))
        self.end = self.clock.now
        self.window = 0
        self.answer = self.script.get(payload.hex())
        if self.answer is None and len(payload) == 12:  # an empty uplink fetches what "*40" holds
            self.answer = self.script.get("*40")
        return self.clock.ticks_us()

    def receive(self, freq_hz, sf, bw_khz, open_at_us, window_us):
        self.window += 1
        collector_off = not hasattr(gc, "mem_free") or not gc.isenabled()
        opens = self.clock.ticks_diff(open_at_us, self.end & _MASK)
        self.events.append(["rx", freq_hz if self.window == 2 else 0, sf, opens, window_us, collector_off])
        self.clock.now = self.end + opens + window_us
        if self.answer is None or self.answer[0] != self.window:
            return None
        return bytes.fromhex(self.answer[1]), -80, 36


def run(data):
    clock = _Clock()
    random = _Random()
    store = _Store()
    events = []
    times = []
    phy = _Phy(clock, data["script"], events)

    def make():
        return ClassA(
            phy,
            ecb,
            random,
            clock,
            store,
            bytes.fromhex(data["deveui"]),
            bytes.fromhex(data["joineui"]),
            bytes.fromhex(data["appkey"]),
        )

    mac = make()
    for action in data["actions"]:
        name = action[0]
        if name == "join":
            clock.sleep_ms(mac.wait_ms())
            events.append(["joined", mac.join()])
        elif name == "time":
            mac.request_time()
        elif name == "restart":
            mac = make()
        elif name == "fcnt":
            mac.session.fcnt_up = action[1]
        else:
            result = mac.send(action[1], bytes.fromhex(action[2]), action[3])
            events.append([result.sent, result.acked, [[p, d.hex()] for p, d in result.downlinks]])
            if mac.network_time is not None:
                times.append(mac.network_time[0])
    return {"events": events, "utc_ms": times, "session": mac.session.dump().hex()}
