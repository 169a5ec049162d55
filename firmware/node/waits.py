"""Time that passes while a microphone's buffer fills: waiting is when it is emptied.

Two clocks that look like MicroPython's time module. `Waits` is for what is in no hurry: its sleep_ms may end
late by one piece of sound. `exact` is for a radio's windows: it reads sound only where that is surely over in
time, and else leaves it to the I2S buffer, which holds a quarter of a second. Without a microphone that
listens all the time both are the clock itself.
"""

import gc

from wire._compat import const

_LONGEST_US = const(20000)  # what reading a piece is taken to need before one was read
_MARGIN_US = const(3000)
_COLLECT_US = const(40000)
_COLLECT_BYTES = const(16384)  # of litter: the collector may be switched off while a radio is at work
_ON_CHIP = hasattr(gc, "mem_alloc")


class _Clock:
    def __init__(self, clock):
        for name in ("ticks_ms", "ticks_us", "ticks_diff", "ticks_add", "sleep_us"):
            setattr(self, name, getattr(clock, name))
        self._clock = clock


class Waits(_Clock):
    """listener: due_in_us() and read(), or None. wake: end a sleep early, set by the listener."""

    def __init__(self, clock):
        _Clock.__init__(self, clock)
        self.listener = None
        self.longest_us = _LONGEST_US
        self.wake = False
        self._alloc = 0
        self.exact = _Exact(self, clock)

    def sleep_ms(self, ms):
        """Sleep; end late by a piece of sound, or early when `wake` is set, which this clears."""
        if self.listener is None:
            self._clock.sleep_ms(ms)
            return
        end = self.ticks_add(self.ticks_us(), ms * 1000)
        while not self.wake:
            left_us = self.ticks_diff(end, self.ticks_us())
            due_us = self.listener.due_in_us()
            if due_us <= 0:
                self.read()
            elif left_us <= 0:
                break
            else:
                self._sleep_us(min(left_us, due_us))
        self.wake = False

    def pause_us(self, us):
        """Wait in a loop that asks a pin: about so long, not to the microsecond."""
        self._sleep_us(us)
        self.attend()

    def attend(self):
        """Read sound where some is due: for work that takes long, between its steps."""
        while self.listener is not None and self.listener.due_in_us() <= 0:
            self.read()

    def _sleep_us(self, us):
        if us >= 1000:
            self._clock.sleep_ms(us // 1000)
        else:
            self.sleep_us(us)

    def read(self):
        """Read a piece of sound, and learn how long that takes."""
        began = self.ticks_us()
        self.listener.read()
        took_us = self.ticks_diff(self.ticks_us(), began)
        self.longest_us = max(took_us, self.longest_us - self.longest_us // 256)

    def tidy(self, left_us):
        """Collect garbage where there is time for it."""
        left_us -= self.longest_us + _MARGIN_US
        if _ON_CHIP and left_us > _COLLECT_US and gc.mem_alloc() > self._alloc + _COLLECT_BYTES:
            gc.collect()
            self._alloc = gc.mem_alloc()


class _Exact(_Clock):
    """Ends on time, and is on time for what comes then."""

    def __init__(self, waits, clock):
        _Clock.__init__(self, clock)
        self._waits = waits

    def pause_us(self, us):
        """Wait for what is in no hurry, as Waits does."""
        self._waits.pause_us(us)

    def sleep_ms(self, ms):
        """Sleep to the millisecond; read sound only as long as there is room for it."""
        waits = self._waits
        if waits.listener is None:
            self._clock.sleep_ms(ms)
            return
        end = self.ticks_add(self.ticks_us(), ms * 1000)
        while True:
            left_us = self.ticks_diff(end, self.ticks_us())
            due_us = max(waits.listener.due_in_us(), 0)
            if due_us + waits.longest_us + _MARGIN_US > left_us:
                break
            waits.tidy(left_us)
            due_us = waits.listener.due_in_us()
            if due_us >= 1000:
                self._clock.sleep_ms(due_us // 1000)
            waits.read()
        left_us = self.ticks_diff(end, self.ticks_us())
        if left_us >= 1000:
            self._clock.sleep_ms(left_us // 1000)
            left_us = self.ticks_diff(end, self.ticks_us())
        if left_us > 0:
            self.sleep_us(left_us)
