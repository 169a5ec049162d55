"""The node's state machine: measure on the clock, log, send what waits, sleep.

    start: probe sensors, first acquisition at once
    step:  acquisition due    -> settle, fetch, append to the log
           something to send  -> one frame or one attempt to reach the network
           neither            -> sleep until the next of both

One step does one thing and returns, so the watchdog is fed between any two. Nothing here waits for
the network before it measures.
"""

from wire import backfill, ports
from wire._compat import const
from wire.errors import WireError
from wire.record import Record

from . import status
from .acquire import acquire, lead_ms
from .power import PowerGuard
from .schedule import Schedule

_TIME_TRIES = const(3)  # unanswered time requests after which records go out with uptime
_RETRY_MS = const(2000)  # first pause after a failure, doubled each time
_RETRY_MAX_MS = const(600000)
_BUDGET = const(90)  # of 10,000: air time for everything, a little below the 1 % of a sub-band
_HOUR_MS = const(3700000)  # half of the first hour's budget is not ours: the MAC books it, not knowing
_LEAST = const(3)  # of 10,000: what is sent again gets this much even where live frames take it all
_SLEEP_MAX_MS = const(240000)  # half of the watchdog's patience
_SERVE_MS = const(10000)  # so long at the desk, then the watchdog is fed
_LISTEN_MS = const(8000)  # a frame and its windows may take this long: not just before a due time
_TIME_RETRY_MS = const(15000)
_TIME_LATER_MS = const(240_000)
_TIME_DOUBLINGS = const(4)  # up to an hour
_SPREAD_PART = const(10)  # of the interval: nodes that measure on the same second must not all send on it
_JITTER_MS = const(3000)  # a street that gets its power back does not join in one voice
_SETTLED_MS = const(600000)  # a life that gets this far was no crash at start
_SAFE_MODE_MS = const(6 * 3600 * 1000)  # then it is worth another try
_NEWS_MS = const(1000)  # with a sensor that tells something each second
_NEVER_MS = const(1 << 29)


class Node:
    """A running node.

    hal: feed(), tidy(), reset(), sleep(ms), keep(bytes), rtc_ms(), random(n) -> 0..n-1; see node.hal.
    link: see node.lora_link.
    sensors: list of node.acquire.Sensor. config: node.config.Config. health: node.status.Health.
    """

    def __init__(
        self, hal, config, sensors, link, log, outbox, time, health, lives=None, say=None, remote=None
    ):
        self.hal = hal
        self.config = config
        self.sensors = sensors
        self.link = link
        self.log = log
        self.outbox = outbox
        self.time = time
        self.health = health
        self._lives = lives
        self.power = PowerGuard(config["battery_low_mv"])
        self.records = 0
        self.remote = remote
        self.desk = None  # node.desk.Desk, where somebody may come to set the node up
        self.updates = None  # node.updates.Updates, where there is a key to judge them by
        self._update_at_ms = 0
        self._local = getattr(link, "local", False)  # there is nobody to send to
        self._tellers = [sensor.driver for sensor in sensors if getattr(sensor.driver, "tells", False)]
        self._say = say or (lambda text: None)
        self._told = ""
        self._lead_ms = lead_ms(sensors)
        self._schedule = Schedule(time, config["interval_s"], self._lead_ms)
        self._link_at_ms = time.uptime_ms() + hal.random(_JITTER_MS)
        self._failures = 0
        self._time_tries = 0
        self._again_at_ms = 0
        self._live_air_ms = 0
        self._time_due_ms = time.uptime_ms()
        self._status_due_ms = time.uptime_ms()

    def start(self):
        """Probe the sensors; what does not answer is reported and probed again at each acquisition."""
        for sensor in self.sensors:
            attach = getattr(sensor.driver, "attach", None)
            if attach is not None:
                attach(self)
            if sensor.probe():
                self._say(sensor.name + " answers")
            else:
                self._say(sensor.name + ": " + sensor.text)
        for text in self.health.config_errors + [row[2] for row in self.health.missing]:
            self._say(text)

    def run(self):
        """Live."""
        self.start()
        while True:
            self.step()

    def step(self):
        """Do what is due, or sleep until something is."""
        self.hal.feed()
        now_ms = self.time.uptime_ms()
        if self._lives is not None and now_ms > _SETTLED_MS:
            self._lives.settle()
        if self.health.safe_mode and now_ms > _SAFE_MODE_MS:
            self.hal.reset()
        if self.remote is not None:
            self.remote.check(now_ms)
            if self.remote.reset_due:
                self.hal.reset()
        if self.desk is not None and self.desk.reset_due:
            self.hal.reset()
        for driver in self._tellers:
            self.keep_records(driver.news())
        if self._updated(now_ms):
            return
        begin_ms = self._schedule.start_ms(self._lead_ms)
        link_ms = self._link_ms(now_ms)
        if now_ms >= begin_ms:
            self._measure()
        elif link_ms <= now_ms and self._room(begin_ms - now_ms):
            self._communicate()
        else:
            if link_ms - now_ms > _LISTEN_MS:
                self.link.rest()
            self._sleep_until(min(begin_ms, link_ms) if link_ms > now_ms else begin_ms, bool(self._tellers))

    def _updated(self, now_ms):
        """Do what an update wants while nothing else is due; tell whether that took the step."""
        updates = self.updates
        if updates is None:
            return False
        updates.check(now_ms)
        if updates.reset_due:
            self.hal.reset()
        left_ms = self._schedule.start_ms(self._lead_ms) - now_ms
        if left_ms < _LISTEN_MS and self.config["interval_s"] * 1000 > self._lead_ms + 2 * _LISTEN_MS:
            return False
        if updates.works:
            updates.work()
            return True
        if updates.ready and not self.power.low and self.quiet():
            updates.go()
        return False

    def quiet(self):
        """Tell whether a pause for an update would miss nothing: a kind of node may know better."""
        return not self._holding() or not self.outbox.unsent

    def _room(self, left_ms):
        """Tell whether a frame may start now; with an interval too short for that it always may."""
        wanted_ms = getattr(self.link, "listen_ms", _LISTEN_MS)
        return left_ms >= wanted_ms or self.config["interval_s"] * 1000 < self._lead_ms + 2 * _LISTEN_MS

    def _sleep_until(self, until_ms, once=False):
        """Sleep in pieces that the watchdog bears. once: no more than a second, somebody may have news."""
        while True:
            left_ms = until_ms - self.time.uptime_ms()
            if left_ms <= 0:
                return
            self.hal.feed()
            if self.desk is not None and self.desk.open:
                self.desk.serve(min(left_ms, _NEWS_MS if once else _SERVE_MS))
            else:
                self.hal.sleep(min(left_ms, _NEWS_MS if once else _SLEEP_MAX_MS))
            if once:
                return

    def _acquired(self, readings):
        """Return the readings as they are to be kept: a kind of node may have its own mind."""
        return readings

    def _measure(self):
        readings = acquire(self.sensors, self.time, self._schedule.due_ms, self._sleep_until)
        readings = self._acquired(readings)
        time_s, quality = self.time.now()
        self._schedule.done()
        self._power_is(readings)
        if not readings:
            return  # a node without sensors still tells its status
        interval_s = self.config["interval_s"]
        slot = (time_s + interval_s // 2) // interval_s if self.time.known else 0
        self.outbox.add(Record(self.outbox.take_seq(slot), time_s, quality, readings))
        for sensor in self.sensors:
            more = getattr(sensor.driver, "more", None)
            if more is not None:
                self.keep_records(more())
        if self.records:  # the first one goes at once: somebody may stand on a ladder and wait for it
            interval_ms = self.config["interval_s"] * 1000
            free_ms = max(interval_ms - self._lead_ms - _LISTEN_MS, 0)  # before the next measurement begins
            spread_ms = min(interval_ms // _SPREAD_PART, free_ms + 1)
            self._link_at_ms = max(self._link_at_ms, self.time.uptime_ms() + self.hal.random(spread_ms))
        self.records += 1

    def _power_is(self, readings):
        """Take the battery's voltage: the network's question is answered with it, a change of mind told."""
        if self.power.update(readings):
            self.tell_status()
        self.link.battery(self.power.level())

    def tell_status(self):
        """Have the status go out with the next chance: something has changed that somebody should know."""
        self._status_due_ms = min(self._status_due_ms, self.time.uptime_ms())

    def keep_records(self, rows):
        """Keep records beside those of the interval: [(uptime in s or None for now, readings)]."""
        now_s, quality = self.time.now()
        offset_s = self.time.offset_ms // 1000 if self.time.known else 0
        for up_s, readings in rows:
            time_s = now_s if up_s is None else up_s + offset_s
            self.outbox.add(Record(self.outbox.take_seq(), time_s, quality, readings))
            self.hal.feed()
            self._attend()

    def _attend(self):
        """Let a microphone be read between the steps of what takes long."""
        waits = getattr(self.hal, "waits", None)
        if waits is not None:
            waits.attend()

    @property
    def failing(self):
        """Tell whether the last attempt to get something out failed."""
        return self._failures > 0

    @property
    def newest_seq(self):
        """Return the number of the newest record, None before the first."""
        return self.log.newest.seq if self.log.newest is not None else None

    # -- the network ---------------------------------------------------------------------------

    def _link_ms(self, now_ms):
        """Return when the network is next wanted and allowed."""
        if self.config["radio"] == "none" or self.power.low:
            return now_ms + _NEVER_MS
        if self._local:
            return max(self._time_due_ms if self.link.up else now_ms, self._link_at_ms)
        wanted_ms = min(self._status_due_ms, self._time_due_ms, now_ms + self.link.calls_in_ms())
        if self._again_waits():
            wanted_ms = min(wanted_ms, self._again_at_ms)
        if self.updates is not None:
            if self.updates.answers:
                wanted_ms = now_ms
            elif self.updates.polls or self.updates.fetches:
                wanted_ms = min(wanted_ms, self._update_at_ms)
        if self.link.called or self._answers() or (self.outbox.ripe and not self._holding()):
            wanted_ms = now_ms
        return max(wanted_ms, self._link_at_ms)

    def _answers(self):
        """Return what is to be said on FPort COMMANDS."""
        return self.remote.answers if self.remote is not None else ()

    def _holding(self):
        """Tell whether records wait for their time: it will come with an answer soon."""
        return not self.time.known and self._time_tries < _TIME_TRIES

    def _again_waits(self):
        """Tell whether something may be sent once more: never in doubt, nor before its time is known."""
        box = self.outbox
        return (
            (box.again.rows or box.gone.rows or box.skipped.rows) and not box.in_doubt and not self._holding()
        )

    def _communicate(self):
        """One attempt to come up, or one frame; then say when the next may be."""
        self.hal.tidy()  # now, not between the end of a frame and its windows
        good = self._send_one() if self.link.up and not self._local else self.link.bring_up()
        self._take_time()
        if self.link.text != self._told:
            self._told = self.link.text
            self._say(self._told)
        pause_ms = 0
        if good:
            self._failures = 0
        else:
            longest_ms = min(self.config["interval_s"] * 500, _RETRY_MAX_MS)
            pause_ms = min(_RETRY_MS << min(self._failures, 9), longest_ms)
            pause_ms += self.hal.random(pause_ms // 2)
            self._failures += 1
        self._link_at_ms = self.time.uptime_ms() + max(pause_ms, self.link.wait_ms())

    def _send_one(self):
        """Send the status if it is due, else the oldest records; return success."""
        now_ms = self.time.uptime_ms()
        if now_ms >= self._time_due_ms:
            self.link.request_time()
            self._time_tries += 1
            self._time_due_ms = now_ms + self._time_pause_ms()
            waits = self.outbox.ripe if self.time.known else self._time_tries > _TIME_TRIES
            if not waits:
                self._status_due_ms = now_ms  # something must carry the request
        if now_ms >= self._status_due_ms:
            return self._send_status()
        if self.link.called:
            good = self.link.answer()
            self._obey()
            return good
        if self._answers() and len(self._answers()[0]) <= self.link.limit():
            good = self._deliver(ports.COMMANDS, self._answers()[0])
            if good:
                self.remote.answers.pop(0)
            return good
        if self.updates is not None and self.updates.answers:
            port, payload = self.updates.answers[0]
            good = self._deliver(port, payload)
            if good:
                self.updates.answers.pop(0)
                self.updates.told(payload)
            return good
        frame = self.outbox.frame(self.link.limit(), self._holding())
        if frame is not None:
            self._live_air_ms = self.link.air_ms(len(frame[0]))
            return self._deliver(ports.RECORDS, frame[0], frame[1])
        if self._again_waits() and now_ms >= self._again_at_ms:
            return self._send_again()
        return self._load_update(now_ms)

    def _load_update(self, now_ms):
        """Ask for the next fragment, or fetch a few pieces; then leave the air to live frames."""
        updates = self.updates
        if updates is None or now_ms < self._update_at_ms:
            return False
        if updates.polls:
            good = self.link.answer()
            self._obey()
            self._update_at_ms = self.time.uptime_ms() + self.link.air_ms(0) * 10000 // self._spare()
            return good
        wanted = updates.fetches
        fetch = getattr(self.link, "fetch", None)
        if wanted is None or fetch is None:
            return False
        good = fetch.some(wanted, updates.fetched)
        if not good:
            self._update_at_ms = self.time.uptime_ms() + _RETRY_MAX_MS // 10
        return good

    def _send_again(self):
        """Send a frame of what was asked for, or what is gone of it; then leave the air to live frames."""
        frame = self.outbox.again_frame(self.link.limit())
        if frame is not None:
            payload, token = frame
            good = self._deliver(ports.RECORDS, payload, token)
        else:
            payload = self.outbox.gone_frame()
            if payload is None or len(payload) > self.link.limit():
                self._again_at_ms = self.time.uptime_ms() + _RETRY_MAX_MS
                return True
            good = self._deliver(ports.COMMANDS, payload)
            if good:
                self.outbox.told_gone()
        air_ms = self.link.air_ms(len(payload))
        self._again_at_ms = self.time.uptime_ms() + air_ms * 10000 // self._spare()
        return good

    def _spare(self):
        """Return the share of the air that live frames leave, of 10,000."""
        budget = _BUDGET if self.time.uptime_ms() > _HOUR_MS else _BUDGET // 2
        every_ms = self.config["interval_s"] * self.outbox.batch * 1000
        return max(budget - self._live_air_ms * 10000 // every_ms, _LEAST)

    def _deliver(self, port, payload, token=None):
        """Send a frame; tell whether it left. What came down with it is obeyed."""
        sent, confirmed = self.link.send(port, payload)
        if sent and token is not None:
            self.outbox.left(token)
        if confirmed:
            self.outbox.confirm(token)
            if self.remote is not None:
                self.remote.heard()
            if self.updates is not None:
                self.updates.heard()
        elif confirmed is False:
            self.outbox.go_back()
        self._obey()
        return sent

    def _obey(self):
        """Take what the network sent: (port, payload) each."""
        while self.link.downlinks:
            port, payload = self.link.downlinks.pop(0)
            if port == ports.COMMANDS and payload and payload[0] == backfill.SEND_RECORDS:
                self._wanted(payload)
            elif port == ports.COMMANDS and self.remote is not None:
                self.remote.command(payload)
            elif port == ports.FRAGMENTS and self.updates is not None:
                self.updates.fragment(payload)

    def _wanted(self, payload):
        try:
            ranges = backfill.unpack_ranges(payload)[1]
        except WireError:
            return  # what cannot be read is asked again
        for first, end in ranges:
            self.outbox.want(first, end)

    def _time_pause_ms(self):
        """How long to wait for an answer before the next request: not long while time is unknown.

        A gateway that has many to answer may pass some by: those ask again, each time later, with a frame of
        records to carry the request.
        """
        pause_ms = self.config["time_s"] * 1000
        if self.time.known:
            return pause_ms
        late = self._time_tries - _TIME_TRIES
        wait_ms = _TIME_RETRY_MS if late < 0 else _TIME_LATER_MS << min(late, _TIME_DOUBLINGS)
        return min(wait_ms, pause_ms) + self.hal.random(_TIME_RETRY_MS)

    def _send_status(self):
        good = self._deliver(ports.STATUS, status.gather(self))
        if good:
            self._status_due_ms = self.time.uptime_ms() + self.config["status_s"] * 1000
        return good

    def _take_time(self):
        """Take an answer of the network; remember it for the records that were taken before."""
        answer = self.link.take_time()
        if answer is None:
            return
        utc_ms, at_ticks_ms, quality = answer
        if not self.time.set(utc_ms, at_ticks_ms, quality):
            return
        self._time_tries = 0
        self._time_due_ms = self.time.uptime_ms() + self.config["time_s"] * 1000
        self.outbox.mark_time(self.time.offset_ms, quality)
        self.hal.keep(self.time.snapshot(self.hal.rtc_ms()))
        self._schedule.plan()
