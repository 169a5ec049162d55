"""A record: what one acquisition of a node says, as integers, with its own time and quality.

A reading is a tuple (measurement_id, raw, state). The state says what the number is worth; from
FIRST_ERROR on there is no number and raw is 0. An error is a value of its own, never None, 0 or a
sentinel in the range of the quantity.
"""

from ._compat import const

# Reading states (4 bits on the wire). Below FIRST_ERROR the number is there and qualified.
OK = const(0)
WARMUP = const(1)  # the sensor was still settling
BELOW_FLOOR = const(2)  # under the sensor's own noise
OVERLOAD = const(3)  # above what the sensor takes without distortion
DEGRADED = const(4)  # the sensor reports a worn fan, an old laser, a dirty optic
GAP = const(5)  # part of the averaging interval is missing
FIRST_ERROR = const(8)
NO_ANSWER = const(8)  # nothing on the bus: not wired, not powered, wrong address
TIMEOUT = const(9)  # answered, but not in time
CHECKSUM = const(10)  # CRC or checksum wrong
OUT_OF_RANGE = const(11)  # outside what the measurement table allows
FAULT = const(12)  # the sensor says that it is broken
NOT_READY = const(13)  # no value yet

STATE_NAMES = {
    OK: "ok",
    WARMUP: "warmup",
    BELOW_FLOOR: "below_floor",
    OVERLOAD: "overload",
    DEGRADED: "degraded",
    GAP: "gap",
    NO_ANSWER: "no_answer",
    TIMEOUT: "timeout",
    CHECKSUM: "checksum",
    OUT_OF_RANGE: "out_of_range",
    FAULT: "fault",
    NOT_READY: "not_ready",
}

# Time quality (2 bits on the wire).
TIME_NEVER_SET = const(0)  # see time_s below
TIME_DRIFTING = const(1)  # set once, not confirmed for longer than the drift budget
TIME_NETWORK = const(2)  # set by LoRaWAN DeviceTimeAns
TIME_NTP = const(3)


class Record:
    """One acquisition.

    seq: 32-bit counter of the device's life, never repeats, so (device, seq) names a record for ever.
    time_s: seconds since 1970-01-01T00:00:00Z at the end of the acquisition. While time_quality is
        TIME_NEVER_SET: seconds since boot, or, from 2024-01-01 on, the latest UTC that it can have been (a
        life that was never told the time is put just before the next one that was).
    readings: list of (measurement_id, raw, state), at most one a measurement id.
    """

    __slots__ = ("readings", "seq", "time_quality", "time_s")

    def __init__(self, seq, time_s, time_quality, readings):
        self.seq = seq
        self.time_s = time_s
        self.time_quality = time_quality
        self.readings = readings

    def __eq__(self, other):
        return (
            isinstance(other, Record)
            and self.seq == other.seq
            and self.time_s == other.time_s
            and self.time_quality == other.time_quality
            and list(self.readings) == list(other.readings)
        )

    def __hash__(self):
        return self.seq

    def __repr__(self):
        return f"Record({self.seq}, {self.time_s}, {self.time_quality}, {self.readings})"
