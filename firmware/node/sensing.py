"""The state machine with what a kind of node adds: glances, alarms, a pace of its own, energy.

glance  every `watch_s`: temperature (fire), lid and tilt, rain; costs milliseconds, no record unless needed
alarm   a record that cannot wait: sent at once, ahead of all others, confirmed, again until acknowledged
pace    the interval is stretched while nothing changes, or while the battery would not last
"""

from wire import codec, ports
from wire._compat import const
from wire.energy import BLOCK, pack_block
from wire.measurements import LAEQ, RAIN_TIPS, RELATIVE_HUMIDITY, TEMPERATURE, TILT
from wire.record import FIRST_ERROR, Record

from .core import Node

_ALARM_PAUSE_MS = const(15000)
_KNOWN_MS = const(6 * 3600 * 1000)  # start-up weighs on the average for a while
_CRITICAL_STRETCH = const(8)  # intervals from look to look while the battery is critical
_EVENT_MS = const(1800 * 1000)
_LOUD_DB10 = const(100)
_RECORD_ROOM_MS = const(3000)  # no glance so shortly before a record


class SensingNode(Node):
    """A Node with a kind. kind: node.bin.BinKind, node.garden.GardenKind, or None.

    ledger: node.energy.Ledger. budget: node.energy.Budget. watch_ms: from glance to glance, 0 for none.
    """

    def furnish(self, kind, ledger, budget, watch_ms):
        """Say what this node is; before run()."""
        self.kind = kind
        self.ledger = ledger
        self.budget = budget
        self._watch_ms = watch_ms if kind is not None else 0
        self._watch_due_ms = self.time.uptime_ms() + self._watch_ms
        self._alarm = None
        self._busy_ms = None  # when it last rained or was loud
        self._usual_db10 = None  # LAeq of some hours, tenths of a decibel times 16
        self.alarms = 0
        self._last = []
        self._steady = [s.driver for s in self.sensors if hasattr(s.driver, "tick")]
        self._in_tick = False
        return self

    def status_block(self):
        """Return the block of the status uplink that tells of energy."""
        known = self.time.uptime_ms() >= _KNOWN_MS
        return BLOCK, pack_block(self.ledger.average_ua(), self.ledger.days_left() if known else None)

    def quiet(self):
        """Tell whether a pause would miss nothing: no alarm, no rain and no loud quarter in half an hour."""
        recent = self._busy_ms is not None and self.time.uptime_ms() - self._busy_ms < _EVENT_MS
        return self._alarm is None and not recent and Node.quiet(self)

    def _listen_for_events(self, readings):
        """Notice levels that stand 10 dB above those of the last hours."""
        for measurement, raw, state in readings:
            if measurement == LAEQ and state < FIRST_ERROR:
                usual = self._usual_db10
                if usual is None:
                    usual = raw * 16
                elif raw * 16 > usual + _LOUD_DB10 * 16:
                    self._busy_ms = self.time.uptime_ms()
                self._usual_db10 = usual + raw - usual // 16

    # -- pace --------------------------------------------------------------------------------------

    def step(self):
        """Glance when it is time, else what the state machine does."""
        if self._watch_ms and self.time.uptime_ms() >= self._watch_due_ms:
            due_ms = self._schedule.start_ms(self._lead_ms)
            if due_ms - self.time.uptime_ms() > _RECORD_ROOM_MS:
                self.hal.feed()
                self._glance()
            self._watch_due_ms = self.time.uptime_ms() + self._watch_ms
            return
        Node.step(self)

    def _link_ms(self, now_ms):
        """Return when to wake for the network, or for the next glance."""
        link_ms = Node._link_ms(self, now_ms)
        if self._alarm is not None and self.config["radio"] != "none":
            link_ms = max(now_ms, self._link_at_ms)
        return min(link_ms, self._watch_due_ms) if self._watch_ms and self._watch_due_ms > now_ms else link_ms

    def _room(self, left_ms):
        """Tell whether a frame may start now; an alarm always may."""
        return self._alarm is not None or Node._room(self, left_ms)

    def _sleep_until(self, until_ms, once=False):
        """Sleep, and book it; what measures without pause gets its turn in between."""
        while self._steady and not self._in_tick:
            self._in_tick = True
            for driver in self._steady:
                driver.tick()
            self._in_tick = False
            next_ms = self.time.uptime_ms() + min([driver.due_ms() for driver in self._steady])
            if next_ms >= until_ms:
                break
            self._slumber(next_ms)
        self._slumber(until_ms, once)

    def _slumber(self, until_ms, once=False):
        before_ms = self.time.uptime_ms()
        Node._sleep_until(self, until_ms, once)
        self.ledger.slept(self.time.uptime_ms() - before_ms)

    def pause(self, ms):
        """Sleep within an acquisition, as a driver that waits for its next sample does."""
        self._sleep_until(self.time.uptime_ms() + ms)

    def climate(self):
        """Return (hundredths of a degree, tenths of a percent) of now, or None where nobody can tell."""
        for sensor in self.sensors:
            measures = sensor.driver.MEASURES
            if TEMPERATURE not in measures or RELATIVE_HUMIDITY not in measures:
                continue
            if sensor.started or sensor.lead_ms > _RECORD_ROOM_MS:
                continue  # it is measuring for a record: next time
            found = {row[0]: row for row in self._ask(sensor)}
            t, h = found.get(TEMPERATURE), found.get(RELATIVE_HUMIDITY)
            if t and h and max(t[2], h[2]) < FIRST_ERROR:
                return t[1], h[1]
        return None

    # -- records -----------------------------------------------------------------------------------

    def _acquired(self, readings):
        """Return the readings of a record as the kind wants them kept; set the pace of the next."""
        for sensor in self.sensors:
            self.ledger.sensor(sensor.name, sensor.on_ms)
            sensor.on_ms = 0
        self._power_is(readings)
        if self.power.critical:  # a write to flash may be the one in which the supply gives way
            self.outbox.dropped += 1
            self._schedule.stretch = _CRITICAL_STRETCH
            return []
        stretch = self.budget.judge()
        if self.kind is not None and readings:
            now_ms = self.time.uptime_ms()
            was_urgent = self.kind.urgent
            readings = self.kind.refine(readings, now_ms, self._temperature)
            stretch = max(stretch, self.kind.stretch())
            if was_urgent:  # an alarm takes the whole record along
                self._last = readings
        self._schedule.stretch = stretch
        self._listen_for_events(readings)
        return readings

    def _measure(self):
        """One record; sooner again where the kind has a reason."""
        Node._measure(self)
        if self.kind is not None and self.kind.again_ms is not None:
            self._schedule.due_ms = min(self._schedule.due_ms, self.kind.again_ms)
            self.kind.again_ms = None

    # -- glances -----------------------------------------------------------------------------------

    def _glance(self):
        kind = self.kind
        now_ms = self.time.uptime_ms()
        if hasattr(kind, "rained"):
            readings = self._one(RAIN_TIPS)
            if readings and kind.rained(readings[0]):
                self._busy_ms = now_ms
                self._record(readings)
            return
        moved = None
        for sensor in self.sensors:
            if hasattr(sensor.driver, "moved"):
                moved = sensor.driver.moved()
        tilt = self._one(TILT) if moved or moved is None or kind.is_open else []
        kind.look(now_ms, self._temperature(), self._temperature, tilt[0] if tilt else None, moved)
        if kind.urgent:
            readings = [row for row in self._one(TEMPERATURE) + self._one(TILT) if row[2] < FIRST_ERROR]
            kind.urgent = False
            self._record(readings + kind.take_events(), urgent=True)
        if kind.again_ms is not None:
            self._schedule.due_ms = min(self._schedule.due_ms, kind.again_ms)
            kind.again_ms = None

    def _temperature(self):
        readings = self._one(TEMPERATURE)
        return readings[0] if readings else None

    def _one(self, measurement):
        """Return the readings of the first sensor that measures it, started and stopped for it alone."""
        for sensor in self.sensors:
            if measurement not in sensor.driver.MEASURES or sensor.lead_ms > _RECORD_ROOM_MS:
                continue
            return [row for row in self._ask(sensor) if row[0] == measurement]
        return []

    def _ask(self, sensor):
        """Return the readings of one sensor, started and stopped for this alone."""
        began_ms = self.time.uptime_ms()
        sensor.start()
        if sensor.started:
            self._sleep_until(self.time.uptime_ms() + sensor.driver.settle_ms)
        found = sensor.fetch()
        sensor.stop()
        self.ledger.sensor(sensor.name, self.time.uptime_ms() - began_ms)
        return found

    def _record(self, readings, urgent=False):
        """Keep a record outside of the rhythm."""
        if not readings or self.power.critical:
            return
        readings.sort()
        time_s, quality = self.time.now()
        record = Record(self.outbox.take_seq(), time_s, quality, readings)
        self.outbox.add(record)
        self.records += 1
        if urgent and self.config["radio"] != "none":
            self.alarms += 1
            self._alarm = codec.encode([record], 51)[0] or None
            self._link_at_ms = self.time.uptime_ms() + self.link.wait_ms()

    # -- the network -------------------------------------------------------------------------------

    def _communicate(self):
        """One exchange; an alarm does not wait as long as others after a failure."""
        Node._communicate(self)
        if self._alarm is not None:
            now_ms = self.time.uptime_ms()
            soon_ms = now_ms + max(self.link.wait_ms(), _ALARM_PAUSE_MS)
            self._link_at_ms = min(self._link_at_ms, soon_ms)

    def _send_one(self):
        """Send the alarm if there is one, else what is due."""
        if self._alarm is None:
            return Node._send_one(self)
        insist = getattr(self.link, "insist", None)
        if insist is not None:
            insist()
        payload = self._alarm
        self._booked(payload)
        sent, confirmed = self.link.send(ports.RECORDS, payload)
        if sent and confirmed:
            self._alarm = None
        return sent and confirmed is not False

    def _deliver(self, port, payload, token=None):
        """Send a frame, and book its time on the air."""
        self._booked(payload)
        return Node._deliver(self, port, payload, token)

    def _booked(self, payload):
        air_ms = getattr(self.link, "air_ms", None)
        self.ledger.sent(air_ms(len(payload)) if air_ms is not None else 0)
