"""The noise meter as a sensor of a node: its bus, its calibration in NVS, its commands, its extra records.

Calibration record in NVS: version u8 = 1 | correction i16 (0.01 dB) | number u8 | UTC u32 | instrument.
"""

from machine import I2S, Pin

from drivers.errors import DriverError
from wire import sound
from wire._compat import const
from wire.measurements import LAEQ_1S

from .noise import CalibrationError, NoiseMeter

_RECORD = "noise_cal"
_VERSION = const(1)
_MOST_CENTIDB = const(2000)


class NoiseSensor:
    """A driver for node.acquire. number, row: the I2S bus. config: node.config.Config. store: NVS.

    The microphone runs only while it listens.
    """

    settle_ms = 0

    def __init__(self, number, row, slot, config, store, clock):
        self._number = number
        self._row = row
        self._config = config
        self._store = store
        self._duration_ms = config["noise_s"] * 1000
        self._i2s = None
        self._node = None
        self._asked = 0  # token of the calibration that was done last
        self._answer = None
        self.calibrated_s = 0
        self.number = 0
        self.instrument = ""
        self.fetch_ms = self._duration_ms + 1000
        # Its buffers are large: taken now, while the heap is one piece.
        self._self_noise = config["noise_self_centidb"]
        self._meter = NoiseMeter(
            self,
            clock,
            rate_hz=row.get("rate", 48000),
            slot=slot,
            sensitivity_mdbfs=config["noise_sensitivity_centidb"] * 10,
            calibration_mdb=self._load(config["noise_offset_centidb"]) * 10,
            self_noise_mdb=self._self_noise * 10 if self._self_noise else None,
            response=config["noise_response"],
            octaves=10 if config["noise_octaves"] else 0,
            every=config["noise_levels"] == "all",
        )
        self.MEASURES = self._meter.MEASURES

    def attach(self, node):
        """Take the node that this sensor belongs to: its clock, and its ear for commands."""
        self._node = node
        self._meter.uptime_ms = node.time.uptime_ms
        if node.remote is not None:
            node.remote.others[sound.CALIBRATE] = self.calibrate
            node.remote.others[sound.SEND_SECONDS] = self.send_seconds

    # -- as a sensor -------------------------------------------------------------------------------

    def start(self):
        """Open the bus."""
        row = self._row
        self._i2s = I2S(
            self._number,
            sck=Pin(row["sck"]),
            ws=Pin(row["ws"]),
            sd=Pin(row["sd"]),
            mode=I2S.RX,
            bits=32,
            format=I2S.STEREO,
            rate=row.get("rate", 48000),
            ibuf=row.get("ibuf", 96000),
        )

    def readinto(self, buf):
        """Pass on to the I2S bus that is open now: the meter and its buffers live longer than the bus."""
        return self._i2s.readinto(buf)

    def probe(self):
        """A microphone has nothing to ask; a dead line shows in the first measurement."""

    def fetch(self):
        """Listen, and return the levels."""
        return self._meter.measure(self._duration_ms)

    def stop(self):
        """Close the bus."""
        self._i2s.deinit()
        self._i2s = None

    def more(self):
        """Return [(uptime in s, readings)]: what has a record of its own beside that of the interval."""
        found = []
        bands = self._meter.band_readings()
        if bands:
            found.append((None, bands))
        if self._config["noise_seconds"]:
            for up_s, raw, state in self._meter.take_seconds(0, 0x7FFFFFFF):
                found.append((up_s, [(LAEQ_1S, raw, state)]))
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
            self.start()
            try:
                delta = self._meter.calibrate(level * 10, seconds * 1000)
            finally:
                self.stop()
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

    def send_seconds(self, payload):
        """Make records of the seconds between two moments; return how many there are."""
        first_s, last_s = sound.unpack_send_seconds(payload)
        time = self._node.time
        if not time.known:
            return sound.pack_seconds(first_s, last_s, 0)
        offset_s = time.offset_ms // 1000
        found = self._meter.take_seconds(first_s - offset_s, last_s - offset_s)
        self._node.keep_records([(up_s, [(LAEQ_1S, raw, state)]) for up_s, raw, state in found])
        return sound.pack_seconds(first_s, last_s, len(found))

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
