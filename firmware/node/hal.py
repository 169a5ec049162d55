"""What the node core needs of the chip, in one object; tests pass another with the same methods."""

import gc
import os
import time

import machine

from wire._compat import const

from .retained import Retained

_WATCHDOG_MS = const(480000)  # twice the longest sleep


class Hal:
    """The ESP32."""

    def __init__(self):
        self._sleep = "light"
        self._watchdog = None
        self.waits = None  # node.waits.Waits, once something listens all the time
        self.retained = Retained(machine.RTC().memory)

    def sleep_mode(self, mode):
        """Choose how to sleep: "light" or "none", as in config.json."""
        self._sleep = mode

    def listen(self):
        """From now on a microphone may be read in all waits. Other nodes are spared the memory."""
        from .waits import Waits

        self.waits = Waits(time)

    def watch(self):
        """Start the watchdog. It cannot be stopped, so this is the last step of starting up."""
        self._watchdog = machine.WDT(timeout=_WATCHDOG_MS)

    def feed(self):
        """Tell the watchdog that the state machine moves. Nobody else may call this."""
        if self._watchdog is not None:
            self._watchdog.feed()

    def tidy(self):
        """Collect garbage now, while nothing is waiting."""
        gc.collect()

    def sleep(self, ms):
        """Sleep; light sleep keeps memory, pins and ticks, but stops a microphone's clock."""
        if self.waits is not None and self.waits.listener is not None:
            self.waits.sleep_ms(ms)
        elif self._sleep == "none":
            time.sleep_ms(ms)
        else:
            machine.lightsleep(ms)

    def reset(self):
        """Start anew."""
        machine.reset()

    def reset_cause(self):
        """Return a number of wire.status.RESET_CAUSES."""
        cause = machine.reset_cause()
        for number, name in (
            (1, "PWRON_RESET"),
            (2, "HARD_RESET"),
            (3, "WDT_RESET"),
            (4, "DEEPSLEEP_RESET"),
            (5, "SOFT_RESET"),
        ):
            if cause == getattr(machine, name, None):
                return number
        return 0

    def rtc_ms(self):
        """Return the real-time clock in ms; its zero does not matter, only that it runs through resets."""
        return time.time_ns() // 1000000

    def keep(self, blob):
        """Put the time where it survives a reset, but not a power cut."""
        self.retained.save("time", blob)

    def kept(self):
        """Return what was put there, b"" after a power cut."""
        return self.retained.load("time") or b""

    def random(self, n):
        """Return a random number 0..n-1."""
        return int.from_bytes(os.urandom(4), "big") % n if n > 0 else 0
