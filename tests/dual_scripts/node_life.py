"""A node's life over a virtual clock, for both Pythons: the real state machine, log, outbox and codec.

Stand-ins here are only what is outside the node: clock, sleep, sensors, NVS, flash files, and a MAC
that behaves as radio.classa promises. `run(data)` lives a script of days and tells what arrived.
"""

from drivers.errors import DriverError
from node import config as node_config
from node.acquire import Sensor
from node.core import Node
from node.log import RecordLog
from node.lora_link import LoraLink
from node.outbox import Outbox
from node.status import Health
from node.timekeeping import Timekeeper
from wire import ports
from wire.codec import decode
from wire.status import decode_status

try:
    from tests.dual_scripts.nor_flash import NorFlash, PowerCut
except ImportError:  # in the unix port, where this folder itself is on the path
    from nor_flash import NorFlash, PowerCut

MASK = 0x3FFFFFFF
HALF = 0x20000000
UTC0_MS = 1767225600000  # 2026-01-01T00:00:00Z


class Clock:
    """MicroPython's time module over a number."""

    def __init__(self, at_ms=0):
        self.at_ms = at_ms  # of the world

    def ticks_ms(self):
        return self.at_ms & MASK

    def ticks_diff(self, a, b):
        return ((a - b + HALF) & MASK) - HALF

    def ticks_add(self, a, n):
        return (a + n) & MASK

    def sleep_ms(self, ms):
        self.at_ms += ms


class Hal:
    def __init__(self, clock):
        self.clock = clock
        self.fed_ms = clock.at_ms
        self.longest_unfed_ms = 0
        self.kept = b""

    def feed(self):
        self.longest_unfed_ms = max(self.longest_unfed_ms, self.clock.at_ms - self.fed_ms)
        self.fed_ms = self.clock.at_ms

    def tidy(self):
        pass

    def sleep(self, ms):
        self.clock.at_ms += ms

    def keep(self, blob):
        self.kept = blob

    def rtc_ms(self):
        return self.clock.at_ms - 5000000

    def random(self, n):
        return n // 2


class Store:
    """NVS. cut_after: this many writes from now the power goes, before the write."""

    def __init__(self):
        self.values = {}
        self.writes = 0
        self.cut_after = None

    def load(self, name):
        return self.values.get(name)

    def save(self, name, value):
        if self.cut_after is not None:
            if self.cut_after == 0:
                raise PowerCut()
            self.cut_after -= 1
        if self.values.get(name) != value:
            self.writes += 1
            self.values[name] = bytes(value)


class Thermometer:
    """Tells the world's minute as a temperature, so that a record shows when it was taken."""

    MEASURES = (5,)

    def __init__(self, clock, settle_ms=1):
        self.clock = clock
        self.settle_ms = settle_ms
        self.started_ms = None
        self.broken = None  # "probe", "raise", "absurd"

    def probe(self):
        if self.broken == "probe":
            raise DriverError(8, "thermometer: not wired")

    def start(self):
        self.started_ms = self.clock.at_ms

    def fetch(self):
        if self.broken == "raise":
            raise RuntimeError("bug")
        if self.broken == "absurd":
            return [(5, 1000000, 0)]
        warm = self.clock.at_ms - self.started_ms >= self.settle_ms
        self.clock.at_ms += 10
        return [(5, self.clock.at_ms // 60000 % 10000, 0 if warm else 1)]

    def stop(self):
        self.started_ms = None


class BatteryPin:
    MEASURES = (17,)
    settle_ms = 0

    def __init__(self):
        self.mv = 4000

    def probe(self):
        pass

    def start(self):
        pass

    def fetch(self):
        return [(17, self.mv, 0)]

    def stop(self):
        pass


class Result:
    def __init__(self, sent, acked):
        self.sent = sent
        self.acked = acked
        self.downlinks = []


class Mac:
    """radio.classa.ClassA as promised, over an air that is good or not."""

    def __init__(self, clock, air):
        self.clock = clock
        self.air = air
        self.joined = False
        self.network_time = None
        self.ask_time = False
        self.next_ms = 0
        self.joins = 0
        self.wants_uplink = False
        self.session = None
        self.down = []  # (port, payload) for the next uplink that is heard

    def wait_ms(self):
        return max(0, self.next_ms - self.clock.at_ms)

    join_wait_ms = wait_ms

    def max_payload(self):
        return self.air["limit"]

    def join(self):
        self.joins += 1
        self.clock.at_ms += 6100
        self.next_ms = self.clock.at_ms + self.air["join_pause_ms"]
        self.joined = self.air["good"]
        return self.joined

    def request_time(self):
        self.ask_time = True

    def send(self, port, payload, confirmed=False):
        assert len(payload) <= self.air["limit"]
        assert self.clock.at_ms >= self.next_ms, "sent within the duty cycle's silence"
        sent_ms = self.clock.at_ms + 100
        self.clock.at_ms += 2200
        self.next_ms = self.clock.at_ms + self.air["pause_ms"]
        if not self.air["good"]:
            return Result(True, False)
        self.air["heard"].append((port, bytes(payload)))
        if self.ask_time and self.air["tells_time"]:
            self.network_time = (UTC0_MS + sent_ms + self.air["utc_error_ms"], sent_ms & MASK)
            self.ask_time = False
        result = Result(True, confirmed)
        result.downlinks, self.down = self.down, []
        return result


def new_air():
    return {
        "good": True,
        "limit": 51,
        "pause_ms": 10000,
        "join_pause_ms": 60000,
        "tells_time": True,
        "utc_error_ms": 0,
        "heard": [],
    }


class World:
    """What outlives a node: flash, NVS, the air, and the time of day."""

    def __init__(self, settings=None):
        self.clock = Clock(1000)
        self.flash = NorFlash(64, 4096)
        self.store = Store()
        self.air = new_air()
        self.settings = {"schema": 1, "radio": "lorawan", "dev_eui": "00000000000000a1", "app_key": "00" * 16}
        self.settings.update(settings or {})
        self.boots = 0
        self.sensor = Thermometer(self.clock)
        self.battery = BatteryPin()
        self.said = []

    def boot(self):
        """Return a node as main.py makes it, its uptime at zero."""
        import json

        self.boots += 1
        settings, errors = node_config.load(json.dumps(self.settings))
        health = Health(1, self.boots)
        health.config_errors = errors
        time = Timekeeper(self.clock, settings["drift_ok_s"])
        log = RecordLog(self.flash)
        outbox = Outbox(log, self.store)
        self.hal = Hal(self.clock)
        self.mac = Mac(self.clock, self.air)
        sensors = [Sensor("thermometer", self.sensor), Sensor("battery", self.battery)]
        link = LoraLink(self.mac, settings["confirm_every"])
        self.node = Node(self.hal, settings, sensors, link, log, outbox, time, health, None, self.said.append)
        self.node.start()
        return self.node

    def live(self, seconds):
        end_ms = self.clock.at_ms + seconds * 1000
        while self.clock.at_ms < end_ms:
            self.node.step()

    def arrived(self):
        """Return the records of all frames, as the gateway stores them: once by seq."""
        by_seq = {}
        for port, payload in self.air["heard"]:
            if port == ports.RECORDS:
                for record in decode(payload):
                    by_seq.setdefault(record.seq, record)
        return [by_seq[seq] for seq in sorted(by_seq)]

    def statuses(self):
        return [decode_status(payload) for port, payload in self.air["heard"] if port == ports.STATUS]


def run(data):
    """Live days with outages and power cuts: data is {"days", "outages": [[from_s, to_s]], "cuts": [s]}."""
    world = World({"interval_s": 300})
    world.boot()
    second = 0
    cuts = list(data["cuts"])
    while second < data["days"] * 86400:
        world.live(60)  # to the end of the step that begins in this minute
        second = world.clock.at_ms // 1000
        world.air["good"] = not any(start <= second < end for start, end in data["outages"])
        if cuts and second >= cuts[0]:
            cuts.pop(0)
            world.boot()
    records = world.arrived()
    return {
        "records": [[r.seq, r.time_s, r.time_quality, [list(x) for x in r.readings]] for r in records],
        "frames": len(world.air["heard"]),
        "joins": world.mac.joins,
        "unfed_ms": world.hal.longest_unfed_ms,
        "waiting": world.node.outbox.waiting,
        "writes": world.store.writes,
    }
