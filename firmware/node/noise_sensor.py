"""The noise meter as a sensor of a node: its bus, its calibration in NVS, its commands, its extra records.

Calibration record in NVS: version u8 = 1 | correction i16 (0.01 dB) | number u8 | UTC u32 | instrument.
"""

from machine import I2S, Pin

from drivers.errors import DriverError
from wire import sound
from wire._compat import const
from wire.measurements import LAEQ_1S

from .noise import CalibrationError, NoiseMeter
from .second_log import SecondBook

_RECORD = "noise_cal"
_VERSION = const(1)
_MOST_CENTIDB = const(2000)
_PASSING = ("wind", "rain", "below_floor")  # come and go with the weather and the hour
_LEAST_MS = const(1000)  # of sound in the first interval: a level can be judged, and somebody waits for it


def _rows(seconds):
    return [(up_s, [(LAEQ_1S, raw, state)]) for up_s, raw, state in seconds]


class NoiseSensor:
    """A driver for node.acquire. number, row: the I2S bus. config: node.config.Config. store: NVS.

    With noise_s 0 the microphone runs all the time, and is read in all waits of the node (node.waits), those
    of the radio too: intervals follow one another without a hole. Else it runs only while it listens.
    """

    settle_ms = 0

    def __init__(self, number, row, slot, config, store, clock):
        self._number = number
        self._row = row
        self._config = config
        self._store = store
        self._duration_ms = config["noise_s"] * 1000
        self._always = not config["noise_s"]
        self._i2s = None
        self._node = None
        self._waits = None
        self._asked = 0  # token of the calibration that was done last
        self._answer = None
        self.calibrated_s = 0
        self.number = 0
        self.instrument = ""
        self.fetch_ms = self._duration_ms + 1000 if self._duration_ms else 0
        self._rate_hz = row.get("rate", 48000)
        self._ibuf = row.get("ibuf", 96000)
        # Its buffers are large: taken now, while the heap is one piece.
        self._self_noise = config["noise_self_centidb"]
        self._meter = NoiseMeter(
            self,
            clock,
            rate_hz=self._rate_hz,
            slot=slot,
            sensitivity_mdbfs=config["noise_sensitivity_centidb"] * 10,
            calibration_mdb=self._load(config["noise_offset_centidb"]) * 10,
            self_noise_mdb=self._self_noise * 10 if self._self_noise else None,
            response=config["noise_response"],
            octaves=10 if config["noise_octaves"] else 0,
            every=config["noise_levels"] == "all",
            ring_ms=self._ibuf * 1000 // (8 * self._rate_hz),
        )
        self._meter.on_second = self._on_second
        self._told = []
        self._book = None
        if config["noise_seconds_kib"] and not config["noise_seconds"]:
            self._book = SecondBook(config["noise_seconds_kib"], store)
        self.MEASURES = self._meter.MEASURES

    def attach(self, node):
        """Take the node that this sensor belongs to: its clock, its waits, and its ear for commands."""
        self._node = node
        self._waits = getattr(node.hal, "waits", None)
        self._always = self._always and self._waits is not None
        if self._always:
            node.link.keep = True
        self._meter.uptime_ms = node.time.uptime_ms
        if node.remote is not None:
            node.remote.others[sound.CALIBRATE] = self.calibrate
            node.remote.others[sound.SEND_SECONDS] = self.send_seconds

    # -- as a sensor -------------------------------------------------------------------------------

    def start(self):
        """Open the bus, where it is not open already."""
        if self._i2s is not None:
            return
        row = self._row
        self._i2s = I2S(
            self._number,
            sck=Pin(row["sck"]),
            ws=Pin(row["ws"]),
            sd=Pin(row["sd"]),
            mode=I2S.RX,
            bits=32,
            format=I2S.STEREO,
            rate=self._rate_hz,
            ibuf=self._ibuf,
        )
        if self._always:
            self._meter.begin()
            self._waits.listener = self

    def readinto(self, buf):
        """Pass on to the I2S bus that is open now: the meter and its buffers live longer than the bus."""
        return self._i2s.readinto(buf)

    def probe(self):
        """A microphone has nothing to ask; a dead line shows in the first measurement."""

    def fetch(self):
        """Return the levels of the interval that ends now, or listen to one."""
        meter = self._meter
        if not self._always:
            readings = meter.measure(self._duration_ms)
        else:
            if meter.heard_ms < _LEAST_MS:
                meter.listen(_LEAST_MS - meter.heard_ms)
            readings = meter.close()
        self._tell()
        return readings

    def _tell(self):
        """Tell the gateway what is wrong when that changes, not with the status of the day."""
        faults = [note for note in self._meter.status if note not in _PASSING]
        if faults != self._told and self._node is not None:
            self._node.tell_status()
        self._told = faults

    def stop(self):
        """Close the bus; one that always listens goes on."""
        if not self._always:
            self._close()

    def _close(self):
        if self._waits is not None and self._waits.listener is self:
            self._waits.listener = None
            self._meter.end()
        i2s, self._i2s = self._i2s, None
        if i2s is not None:
            i2s.deinit()

    # -- all the time, for node.waits --------------------------------------------------------------

    def due_in_us(self):
        """Return in how long to read()."""
        return self._meter.due_in_us()

    def read(self):
        """Read a piece of sound. A line that gives none is closed, and opened anew for the next interval."""
        if not self._meter.read():
            self._close()

    def _on_second(self, _lap):
        if self._book is not None and self._node is not None and self._node.time.known:
            self._book.keep(self._meter.seconds, self._node.time.offset_ms // 1000)
        if self.tells and self._waits is not None:
            self._waits.wake = True

    @property
    def tells(self):
        """Tell whether news() has something each second."""
        return self._always and self._config["noise_seconds"]

    def news(self):
        """Return [(uptime in s, readings)] of the seconds since the last call."""
        return _rows(self._meter.seconds.new())

    def more(self):
        """Return [(uptime in s, readings)]: what has a record of its own beside that of the interval."""
        found = []
        bands = self._meter.band_readings()
        if bands:
            found.append((None, bands))
        if self._config["noise_seconds"]:
            found += self.news()
        return found

    def status_block(self):
        """Return (kind, bytes) for the status uplink."""
        return sound.METER, sound.pack_meter(
            self._meter.status,
            self._config["noise_sensitivity_centidb"],
            self._meter.calibration_mdb // 10,
            self.calibrated_s,
            self.number,
            self._self_noise or None,
            self._config["noise_response"],
            10 if self._config["noise_octaves"] else 0,
        )

    # -- commands ----------------------------------------------------------------------------------

    def calibrate(self, payload):
        """Listen to the calibrator that sits on the microphone now; return the answer."""
        token, level, seconds, instrument = sound.unpack_calibrate(payload)
        if self._answer is not None and token == self._asked:
            return self._answer  # the same command once more: the calibrator may be off by now
        outcome = sound.DONE
        correction = self._meter.calibration_mdb // 10
        time_s = self._node.time.now()[0] if self._node.time.known else 0
        try:
            delta = self._listen_to_calibrator(level * 10, seconds * 1000)
            wanted = (self._meter.calibration_mdb + delta + 5) // 10
            if abs(wanted) > _MOST_CENTIDB:
                outcome = sound.TOO_FAR
            else:
                correction = wanted
                self._keep(correction, time_s, instrument)
        except CalibrationError as error:
            outcome = error.outcome
        except DriverError:
            outcome = sound.METER_FAULT
        except OSError:
            outcome = sound.NOT_KEPT
        self._asked = token
        self._answer = sound.pack_calibrated(token, outcome, level, correction, time_s, instrument)
        return self._answer

    def _listen_to_calibrator(self, reference_mdb, duration_ms):
        running = self._i2s is not None
        self.start()
        try:
            calibrate = self._meter.calibrate_running if self._always else self._meter.calibrate
            return calibrate(reference_mdb, duration_ms)
        finally:
            if not running and not self._always:
                self._close()

    def send_seconds(self, payload):
        """Make records of the seconds between two moments; return how many there are."""
        first_s, last_s = sound.unpack_send_seconds(payload)
        time = self._node.time
        if not time.known:
            return sound.pack_seconds(first_s, last_s, 0)
        offset_s = time.offset_ms // 1000
        found = self._meter.seconds.between(first_s - offset_s, last_s - offset_s)
        rows = _rows(found)
        if self._book is not None:
            rows = _rows(self._book.more(first_s, last_s, found, offset_s, time.now()[0])) + rows
        self._node.keep_records(rows)
        return sound.pack_seconds(first_s, last_s, len(rows))

    # -- calibration -------------------------------------------------------------------------------

    def _load(self, otherwise):
        """Return the correction that NVS holds, in 0.01 dB, and learn the rest; `otherwise` without one."""
        record = self._store.load(_RECORD)
        if not record or len(record) < 8 or record[0] != _VERSION:
            return otherwise
        correction = int.from_bytes(record[1:3], "big")
        self.number = record[3]
        self.calibrated_s = int.from_bytes(record[4:8], "big")
        self.instrument = bytes(record[8:]).decode()
        return correction - 65536 if correction >= 32768 else correction

    def _keep(self, correction, time_s, instrument):
        number = self.number % 255 + 1
        record = bytes([_VERSION]) + (correction & 0xFFFF).to_bytes(2, "big") + bytes([number])
        self._store.save(_RECORD, record + time_s.to_bytes(4, "big") + instrument.encode())
        self.number = number
        self.calibrated_s = time_s
        self.instrument = instrument
        self._meter.set_calibration(correction * 10)
