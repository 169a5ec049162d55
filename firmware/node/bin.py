"""What a bin node makes of its readings: which distance to believe, what happened, when to look again.

Sound and light measure the same distance. Sound is led astray by walls and edges (echoes that are too
near), light by drops on its window and by nothing there (ghosts at 100 to 500 mm). Where both agree, the
distance is good. Where they do not, the one that continues what was believed before counts, as DEGRADED.
While the lid is open or the bin lies down, nothing that is measured is the waste: no number, NOT_READY.
"""

from wire._compat import const
from wire.measurements import (
    DISTANCE,
    DISTANCE_LIGHT,
    EVENT_EMPTIED,
    EVENT_FIRE,
    EVENT_KNOCKED_OVER,
    EVENT_LID_OPEN,
    EVENT_TILTED,
    EVENTS,
    FILL_VOLUME,
    LID_OPENINGS,
    TEMPERATURE,
    TILT,
)
from wire.record import DEGRADED, FIRST_ERROR, NOT_READY, OK

_GATE_TENTHS = const(200)  # more than 20 degrees: a lid that is open
_OVER_TENTHS = const(600)  # more than 60 degrees for long: knocked over
_LYING_MS = const(600000)  # nobody holds a lid open for ten minutes
_AGREE_MM = const(60)
_AGREE_PART = const(12)  # or a twelfth of the distance: both look at heaps under different angles
_STILL_MM = const(25)
_STILL_RECORDS = const(4)  # so many alike, and the interval doubles
_MOST_STRETCH = const(4)
_EMPTIED_PCT = const(40)  # of the depth, within two records
_DEPTH_MM = const(1000)  # where the configuration does not tell
_AGAIN_MS = const(60000)
_FIRE_CENTI = const(7000)
_RISE_CENTI = const(800)  # 8 degrees ...
_RISE_MS = const(120000)  # ... within two minutes: faster than any sun
_COOLED_MS = const(1800000)
_BURNS_MS = const(7200000)  # waste that goes within two hours of a fire was not collected
_FIXED_SOUND_MM_S = const(343200)  # what a sensor without a thermometer takes for the speed of sound


def sound_mm(raw_mm, temperature_centi):
    """Return a distance measured with sound taken for 343.2 m/s, at 331.3 + 0.606 T m/s as it was."""
    speed_mm_s = 331300 + 606 * temperature_centi // 100
    return (raw_mm * speed_mm_s + _FIXED_SOUND_MM_S // 2) // _FIXED_SOUND_MM_S


def parse_table(text):
    """Return [(mm, litres)] by rising distance of "1350:0,800:60,250:120"; [] of anything else."""
    rows = []
    try:
        for part in text.split(",") if text else []:
            mm, litres = part.split(":")
            rows.append((int(mm), int(litres)))
    except ValueError:
        return []
    rows.sort()
    return rows if len(rows) > 1 else []


def litres(table, mm):
    """Return the volume of a distance by the table: straight between its rows, held beyond its ends."""
    if mm <= table[0][0]:
        return table[0][1]
    for i in range(1, len(table)):
        near, far = table[i - 1], table[i]
        if mm <= far[0]:
            span = max(1, far[0] - near[0])
            return near[1] + ((far[1] - near[1]) * (mm - near[0]) * 2 + span) // (2 * span)
    return table[-1][1]


class FireWatch:
    """Rate of rise and a fixed limit, as heat detectors have them; both want a second reading."""

    def __init__(self):
        self._samples = []  # (uptime ms, centidegrees), newest last
        self._alarm_ms = None

    def sees(self, now_ms, centi):
        """Take a temperature; return whether it looks like fire."""
        self._samples = [row for row in self._samples if now_ms - row[0] <= _RISE_MS]
        lowest = min([row[1] for row in self._samples] + [centi])
        self._samples.append((now_ms, centi))
        return centi >= _FIRE_CENTI or centi - lowest >= _RISE_CENTI

    def new_alarm(self, now_ms):
        """Return whether this is a new fire: one that burns on tells itself every half hour."""
        if self._alarm_ms is not None and now_ms - self._alarm_ms < _COOLED_MS:
            return False
        self._alarm_ms = now_ms
        return True


class BinKind:
    """State of a bin node. fixed_sound: the ultrasonic sensor does not know the temperature of the air.

    openings: where the counter of an earlier life stopped.
    """

    def __init__(self, depth_mm=0, table=(), fixed_sound=False, openings=0):
        self._depth_mm = depth_mm or _DEPTH_MM
        self._table = list(table)
        self._fixed_sound = fixed_sound
        self.openings = openings
        self._believed_mm = None
        self._candidate_mm = None
        self._nearer_mm = None
        self._burnt_ms = None
        self._still = 0
        self._open = False
        self._feels = False
        self._open_since_ms = None
        self._told_lying = 0
        self._events = 0
        self._fire = FireWatch()
        self._stretch = 1
        self.again_ms = None
        self.urgent = False

    # -- between records ---------------------------------------------------------------------------

    def look(self, now_ms, temperature, read_again, tilt, moved):
        """Take a glance between two records; return whether something happened that cannot wait.

        temperature, tilt: readings or None. read_again: () -> another temperature reading.
        moved: the accelerometer felt the lid turn since the last glance; None where it cannot tell.
        """
        self._lid(now_ms, tilt, moved)
        self._heat(now_ms, temperature, read_again)
        return self.urgent

    def _lid(self, now_ms, tilt, moved):
        is_open = self._open
        self._feels = moved is not None or (tilt is not None and tilt[2] < FIRST_ERROR)
        if tilt is not None and tilt[2] < DEGRADED:
            is_open = tilt[1] >= _GATE_TENTHS
        if (is_open and not self._open) or (moved and not is_open and not self._open):
            self.openings = (self.openings + 1) & 0xFFFF
            self.again_ms = now_ms + _AGAIN_MS
            self._stretch = 1
        if not is_open:
            self._open_since_ms = None
            self._told_lying = 0
        elif self._open_since_ms is None:
            self._open_since_ms = now_ms
        elif tilt is not None and now_ms - self._open_since_ms >= _LYING_MS:
            event = EVENT_KNOCKED_OVER if tilt[1] >= _OVER_TENTHS else EVENT_TILTED
            if not self._told_lying & event:
                self._told_lying |= event
                self._events |= event
                self.urgent = True
        self._open = is_open

    def _heat(self, now_ms, temperature, read_again):
        if temperature is None or temperature[2] != OK:
            return
        if not self._fire.sees(now_ms, temperature[1]):
            return
        again = read_again()
        if again is None or again[2] != OK or abs(again[1] - temperature[1]) > _RISE_CENTI:
            return
        self._burnt_ms = now_ms
        if self._fire.new_alarm(now_ms):
            self._events |= EVENT_FIRE
            self.urgent = True

    @property
    def is_open(self):
        """Tell whether the lid was open, or the bin lay down, at the last glance."""
        return self._open

    def take_events(self):
        """Return the reading that tells what happened, once."""
        events, self._events = self._events, 0
        return [(EVENTS, events, OK)] if events else []

    # -- records -----------------------------------------------------------------------------------

    def refine(self, readings, now_ms, read_again=None):
        """Return the readings of a record as they are to be kept."""
        by_id = {row[0]: row for row in readings}
        self._lid(now_ms, by_id.get(TILT), None)
        self._heat(now_ms, by_id.get(TEMPERATURE), read_again or (lambda: None))
        self.again_ms = None
        if self._open:
            self._events |= EVENT_LID_OPEN
            self.again_ms = now_ms + _AGAIN_MS
            for measurement in (DISTANCE, DISTANCE_LIGHT):
                if measurement in by_id and by_id[measurement][2] < FIRST_ERROR:
                    by_id[measurement] = (measurement, 0, NOT_READY)
        elif DISTANCE in by_id:
            by_id[DISTANCE] = self._distance(by_id, now_ms)
        if self._table and DISTANCE in by_id:
            _id, mm, state = by_id[DISTANCE]
            volume = litres(self._table, mm) if state < FIRST_ERROR else 0
            by_id[FILL_VOLUME] = (FILL_VOLUME, volume, state)
        if TILT in by_id:
            by_id[LID_OPENINGS] = (LID_OPENINGS, self.openings, OK)
        if self._events:
            by_id[EVENTS] = (EVENTS, self._events, OK)
            self._events = 0
        self.urgent = False
        out = list(by_id.values())
        out.sort()
        return out

    def _distance(self, by_id, now_ms):
        """Return the reading to believe."""
        sound = self._corrected(by_id[DISTANCE], by_id.get(TEMPERATURE))
        light = by_id.get(DISTANCE_LIGHT)
        reading, sure = self._choose(sound, light)
        if reading[2] < FIRST_ERROR:
            self._follow(reading[1], sure, now_ms)
        return reading

    def _corrected(self, sound, temperature):
        if not self._fixed_sound or sound[2] >= FIRST_ERROR:
            return sound
        if temperature is None or temperature[2] >= FIRST_ERROR:
            return (DISTANCE, sound[1], max(sound[2], DEGRADED))
        return (DISTANCE, sound_mm(sound[1], temperature[1]), sound[2])

    def _choose(self, sound, light):
        """Return (reading, sure)."""
        heard, seen = sound[2] < FIRST_ERROR, light is not None and light[2] < FIRST_ERROR
        if heard and (light is None or (seen and _alike(sound[1], light[1]))):
            return sound, light is not None
        if heard and seen:
            believed = self._believed_mm
            if believed is not None and _alike(light[1], believed) and not _alike(sound[1], believed):
                return (DISTANCE, light[1], DEGRADED), False
            # A drop on the window or a ghost is near; an echo from the wall is nearer than the waste too.
            mm = sound[1] if believed is not None and _alike(sound[1], believed) else max(sound[1], light[1])
            return (DISTANCE, mm, DEGRADED), False
        if heard:
            return (DISTANCE, sound[1], max(sound[2], DEGRADED)), False
        if seen:
            return (DISTANCE, light[1], DEGRADED), False
        return sound, False

    def _follow(self, mm, sure, now_ms):
        """Learn from a believed distance: emptied, still, changed."""
        before = self._believed_mm
        if before is None:
            self._believed_mm = mm
            return
        if mm - before >= self._depth_mm * _EMPTIED_PCT // 100:
            if self._candidate_mm is not None and _alike(mm, self._candidate_mm):
                burnt = self._burnt_ms is not None and now_ms - self._burnt_ms < _BURNS_MS
                if not burnt:
                    self._events |= EVENT_EMPTIED
                self._candidate_mm = None
                self._believed_mm = mm
            else:  # one reading is no emptying: look once more in a minute
                self._candidate_mm = mm
                self.again_ms = now_ms + _AGAIN_MS
            self._still = 0
            self._stretch = 1
            return
        self._candidate_mm = None
        # An echo while there are drops on the window: one doubtful reading does not fill the bin, two do.
        nearer, self._nearer_mm = self._nearer_mm, None
        if not sure and before - mm > _AGREE_MM and (nearer is None or not _alike(mm, nearer)):
            self._nearer_mm = mm
            return
        if abs(mm - before) <= _STILL_MM:
            self._still += 1
            if self._still >= _STILL_RECORDS and self._stretch < _MOST_STRETCH:
                self._stretch *= 2
                self._still = 0
            if sure:
                self._believed_mm = mm
        else:
            self._still = 0
            self._stretch = 1
            self._believed_mm = mm

    def stretch(self):
        """Return by how much the interval may grow, because nothing changes: 1, 2 or 4.

        Only where the lid is felt: whatever comes in comes through it, and then the pace is back.
        """
        return self._stretch if self._feels else 1


def _alike(a, b):
    return abs(a - b) <= max(_AGREE_MM, max(a, b) // _AGREE_PART)
