"""One acquisition: every sensor started in time to settle, fetched at the due time, stopped.

A sensor that fails is a state in the record, never an exception and never a missing row: the
gateway sees "no answer" as such. A sensor that was silent is probed again at every acquisition.
"""

from drivers.errors import DriverError
from wire._compat import const
from wire.measurements import by_id
from wire.record import FAULT, FIRST_ERROR, OK, OUT_OF_RANGE

_LATE_MS = const(500)  # a burst that begins in the middle of a frame of its sensor takes a little longer
_START_MS = const(200)  # what start() may take before the settling begins


class Sensor:
    """A driver with its history. name: for status and log lines."""

    def __init__(self, name, driver):
        self.name = name
        self.driver = driver
        fetch_ms = getattr(driver, "fetch_ms", 0)
        self.fetch_ms = fetch_ms + _LATE_MS if fetch_ms else 0
        self.lead_ms = driver.settle_ms + self.fetch_ms + _START_MS
        self.state = OK
        self.text = ""
        self.started = False
        self.ready_ms = 0
        self.on_ms = 0  # how long it has measured since somebody set this to 0

    def probe(self):
        """Return whether the sensor answers; its state and text say why not."""
        try:
            self.driver.probe()
            self.state = OK
            self.text = ""
        except DriverError as error:
            self.state = error.state
            self.text = str(error)
        except Exception as error:  # a broken driver is one broken sensor, not a broken node
            self.state = FAULT
            self.text = repr(error)
        return self.state == OK

    def start(self):
        """Start measuring, after a new probe where the last one failed."""
        self.started = False
        if self.state >= FIRST_ERROR and not self.probe():
            return
        try:
            self.driver.start()
            self.started = True
        except Exception as error:
            self._broke(error)

    def fetch(self):
        """Return checked readings; those of a sensor that was not started say why."""
        if self.started:
            try:
                readings = [_checked(reading) for reading in self.driver.fetch() if by_id(reading[0])]
                self._learn(readings)
                return readings
            except Exception as error:
                self._broke(error)
        return [(measurement_id, 0, self.state) for measurement_id in self.driver.MEASURES]

    def stop(self):
        """Stop, whatever happened before."""
        if self.started:
            self.started = False
            try:
                self.driver.stop()
            except Exception as error:
                self._broke(error)

    def _learn(self, readings):
        errors = [state for _id, _raw, state in readings if state >= FIRST_ERROR]
        all_failed = errors and len(errors) == len(readings)
        self.state = errors[0] if all_failed else OK

    def _broke(self, error):
        self.state = getattr(error, "state", FAULT)
        self.text = repr(error)


def _checked(reading):
    """Return the reading, as OUT_OF_RANGE where its number is not one of the measurement table."""
    measurement_id, raw, state = reading
    row = by_id(measurement_id)
    if state < FIRST_ERROR and (raw is None or raw < row[4] or raw > row[5]):
        return (measurement_id, 0, OUT_OF_RANGE)
    return (measurement_id, raw if state < FIRST_ERROR else 0, state)


def merge(readings):
    """Return at most one reading a measurement: the first with a number, else the first."""
    out = []
    for reading in readings:
        for i in range(len(out)):
            if out[i][0] == reading[0]:
                if out[i][2] >= FIRST_ERROR > reading[2]:
                    out[i] = reading
                break
        else:
            out.append(reading)
    return out


def lead_ms(sensors):
    """Return how long before the due time the slowest sensor must start."""
    return max([0] + [sensor.lead_ms for sensor in sensors])


def acquire(sensors, time, due_ms, sleep_until):
    """Return the merged readings of one acquisition that ends at due_ms, or as soon after as can be.

    sleep_until(uptime_ms): how to wait; the chip may sleep deeper while a sensor settles.
    """
    end_ms = max(due_ms, time.uptime_ms() + lead_ms(sensors))
    events = []  # (when, 0 start or 1 fetch, sensor): what takes long to fetch is fetched first
    for i in range(len(sensors)):
        events.append((end_ms - sensors[i].lead_ms, 0, i))
        events.append((end_ms - sensors[i].fetch_ms, 1, i))
    events.sort()
    readings = []
    for when_ms, is_fetch, i in events:
        sensor = sensors[i]
        if not is_fetch:
            sleep_until(when_ms)
            sensor.on_ms -= time.uptime_ms()
            sensor.start()
            sensor.ready_ms = time.uptime_ms() + sensor.driver.settle_ms
            continue
        if sensor.started:
            sleep_until(max(when_ms, sensor.ready_ms))
        readings += sensor.fetch()
        sensor.stop()
        sensor.on_ms += time.uptime_ms()
    sleep_until(end_ms)
    readings.sort()
    return merge(readings)
