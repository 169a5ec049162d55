"""NoiseMeter over a file of I2S frames; the clock moves as the frames do, plus planned stalls."""

from drivers.errors import DriverError
from node.noise import NoiseMeter


class Clock:
    """Microseconds that only the microphone moves."""

    def __init__(self):
        self.now = 0

    def ticks_us(self):
        return self.now

    def ticks_diff(self, a, b):
        return a - b

    def ticks_add(self, a, n):
        return a + n


class FileI2S:
    """machine.I2S over a file: a read takes as long as its frames, and what was stalled over is lost."""

    def __init__(self, path, clock, rate_hz, stalls, ppm, late=None):
        self.file = open(path, "rb")  # noqa: SIM115, PTH123
        self.clock = clock
        self.rate_hz = rate_hz
        self.stalls = stalls
        self.ppm = ppm
        self.late = late or {}
        self.owed_us = 0
        self.reads = 0

    def readinto(self, buffer):
        stall_ms = self.stalls.get(str(self.reads), 0)
        self.reads += 1
        if stall_ms:
            self.clock.now += stall_ms * 1000
            self.file.read(self.rate_hz * stall_ms // 1000 * 8)
        n = self.file.readinto(buffer)
        late_us = self.late.get(str(self.reads), 0) * 1000
        self.clock.now += late_us
        self.owed_us += late_us  # waits in the DMA buffer: the next reads return sooner
        due_us = n // 8 * 1000000 // self.rate_hz * (1000000 + self.ppm) // 1000000
        caught_us = min(self.owed_us, due_us)
        self.owed_us -= caught_us
        self.clock.now += due_us - caught_us
        return n


def run(data):
    clock = Clock()
    rate_hz = data.get("rate_hz", 48000)
    i2s = FileI2S(data["path"], clock, rate_hz, data.get("stalls", {}), data.get("ppm", 0), data.get("late"))
    meter = NoiseMeter(i2s, clock, **data.get("settings", {}))
    if data.get("calibrate"):
        try:
            return {"calibration": meter.calibrate()}
        except DriverError as error:
            return {"calibration": str(error)}
    laps = []
    meter.on_second = lambda lap: laps.append([lap.laeq(), lap.lafmax(), lap.lcpeak()])
    readings = [meter.measure(data["duration_ms"]) for _ in range(data.get("times", 1))]
    return {
        "readings": readings,
        "status": meter.status,
        "seconds": meter.seconds.levels(),
        "bands": meter.bands(),
        "laps": laps,
    }
