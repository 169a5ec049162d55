"""A gas sensor that measures each second for as long as the node lives, for the sake of its index.

The index (kernels/gas_index.py) compares the air with the air of the last day, so its sensor may not sleep:
a node with one is on mains. The node calls `tick` while it waits; seconds in which it could not (a frame, a
burst of another sensor) count as the next value, and make GAP of the record when they are more than a tenth.
"""

from kernels.gas_index import GasIndex
from wire._compat import const
from wire.measurements import NOX_INDEX, SRAW_NOX, SRAW_VOC, VOC_INDEX
from wire.record import DEGRADED, FIRST_ERROR, GAP, NOT_READY, OK, WARMUP

_STEP_MS = const(1000)
_FORGET_S = const(600)  # after a longer pause what was learnt is of another day
_CLIMATE_S = const(60)
_KEEP_S = const(60)
_NAME = "gas"


class GasMeter:
    """A driver around the SGP41's. Heaters stay on from attach() on; stop() is for power cuts only."""

    MEASURES = (SRAW_VOC, SRAW_NOX, VOC_INDEX, NOX_INDEX)
    settle_ms = 0

    def __init__(self, chip, clock):
        self._chip = chip
        self._clock = clock
        self._voc = GasIndex(False)
        self._nox = GasIndex(True)
        self._climate = lambda: None
        self._last = None  # ticks of the newest second that was counted
        self._state = NOT_READY
        self._raw = []
        self._seconds = 0
        self._missed = 0
        self._lost = False
        self._climate_in = 0
        self._keep_in = 0
        self._hal = None
        self._blind = True  # no humidity or temperature to compensate with

    def probe(self):
        """Ask who is there, and begin: conditioning takes the first ten seconds."""
        found = self._chip.probe()
        self._begin()
        return found

    def attach(self, node):
        """Take the node's temperature and humidity from now on; go on with what was learnt before a reset."""
        self._climate = node.climate
        self._hal = node.hal
        self._resume()

    def _resume(self):
        """Take what a life that ended within ten minutes knew of the VOC (NOx cannot be resumed)."""
        kept = self._hal.retained.load(_NAME)
        if kept is None or len(kept) != 24:
            return
        numbers = [int.from_bytes(kept[i : i + 8], "big") for i in (0, 8, 16)]
        if 0 <= self._hal.rtc_ms() - numbers[0] <= 1000 * _FORGET_S:
            self._voc.restore(numbers[1], numbers[2])

    def _keep(self, steps):
        self._keep_in -= steps
        if self._keep_in > 0 or not self._voc.mature:
            return
        self._keep_in = _KEEP_S
        numbers = (self._hal.rtc_ms(),) + self._voc.states()
        try:
            self._hal.retained.save(_NAME, b"".join([max(0, n).to_bytes(8, "big") for n in numbers]))
        except OSError:
            pass  # no room in RTC memory: it learns anew

    def start(self):
        """Nothing to start: it never stopped."""
        if self._last is None:
            self._begin()

    def stop(self):
        """Nothing to stop: the index lives from measuring on."""

    def _begin(self):
        self._chip.start()
        self._last = self._clock.ticks_ms()

    def due_ms(self):
        """Return how long until tick() has something to do."""
        if self._last is None:
            return _STEP_MS
        return max(0, _STEP_MS - self._clock.ticks_diff(self._clock.ticks_ms(), self._last))

    def tick(self):
        """Measure, if a second has passed since the last time."""
        if self._last is None:
            return
        age_ms = self._clock.ticks_diff(self._clock.ticks_ms(), self._last)
        if 0 <= age_ms < _STEP_MS:
            return
        steps = max(1, age_ms // _STEP_MS)  # ticks that ran backwards have wrapped: one step then
        self._last = (
            self._clock.ticks_add(self._last, steps * _STEP_MS) if age_ms >= 0 else self._clock.ticks_ms()
        )
        self._compensate(steps)
        raw = self._chip.fetch()
        self._state = max([row[2] for row in raw])
        self._raw = raw
        self._seconds += steps
        if self._state >= FIRST_ERROR:
            self._missed += steps
            self._lost = True
            return
        if self._lost:  # it may have been without supply: ten seconds of conditioning again
            self._lost = False
            self._state = WARMUP
            self._chip.start()
        if self._state == WARMUP:
            return  # conditioning: no measurement of the NOx pixel yet
        self._missed += steps - 1
        if steps > _FORGET_S:
            self._voc.reset()
            self._nox.reset()
            steps = 1
        self._voc.missed(steps, raw[0][1])
        self._nox.missed(steps, raw[1][1])
        if self._hal is not None:
            self._keep(steps)

    def _compensate(self, steps):
        self._climate_in -= steps
        if self._climate_in > 0:
            return
        self._climate_in = _CLIMATE_S
        centi = tenths = None
        found = self._climate()
        if found is not None:
            centi, tenths = found
        self._blind = found is None
        self._chip.compensate(tenths, centi)

    def fetch(self):
        """Return the newest raw ticks and indices."""
        seconds, missed = self._seconds, self._missed
        self._seconds = self._missed = 0
        if not self._raw:
            return [(measurement, 0, NOT_READY) for measurement in self.MEASURES]
        if self._state >= FIRST_ERROR:
            return [(measurement, 0, self._state) for measurement in self.MEASURES]
        quality = DEGRADED if self._blind else OK
        if missed * 10 > seconds:
            quality = GAP
        out = list(self._raw)
        for measurement, index in ((VOC_INDEX, self._voc), (NOX_INDEX, self._nox)):
            if not index.tenths:
                out.append((measurement, 0, NOT_READY))
            else:
                out.append((measurement, index.tenths, WARMUP if index.learning else quality))
        return out
