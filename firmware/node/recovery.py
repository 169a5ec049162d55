"""What to do when the last lives were short: count them, and start with less when they were too many.

First main.py leaves out the application in the flash file system for the one in the image; where there
is none, or that ends early too, the node starts without sensors.

A life is short when it ends, by an exception or the watchdog, before it has run for ten minutes. A
power cut and a wake from deep sleep are no crash.
"""

from wire._compat import const

SAFE_MODE_AFTER = const(4)  # short lives in a row
_STATE = "life"
_TEXT = "crash"
_POWER_ON = const(1)
_DEEP_SLEEP = const(4)


class Lives:
    """Boot and crash counters in the durable store. fell_back: the application of the image runs."""

    def __init__(self, store, reset_cause, fell_back=False):
        self._store = store
        self._bearable = 2 * SAFE_MODE_AFTER if fell_back else SAFE_MODE_AFTER
        blob = store.load(_STATE) or b""
        good = len(blob) == 4
        self.boots = (blob[0] << 8 | blob[1]) if good else 0
        self.short = blob[2] if good else 0
        open_life = blob[3] if good else 0
        if open_life and reset_cause not in (_POWER_ON, _DEEP_SLEEP):
            self.short = min(255, self.short + 1)
        elif reset_cause == _POWER_ON:
            self.short = 0  # somebody was there, or the mains came back: a fresh chance
        if reset_cause != _DEEP_SLEEP:
            self.boots = self.boots + 1 & 0xFFFF
        self._settled = False
        self._save(1)

    def _save(self, open_life):
        self._store.save(_STATE, bytes([self.boots >> 8, self.boots & 255, self.short, open_life]))

    @property
    def safe_mode(self):
        """Tell whether to start with no sensors and no more than the way out."""
        return self.short >= self._bearable

    def settle(self):
        """This life is a good one."""
        if not self._settled:
            self._settled = True
            self.short = 0
            self._save(0)

    def crashed(self, text):
        """Keep the end of what went wrong, for the self-test to tell."""
        self._store.save(_TEXT, text[-200:].encode())


def last_crash(store):
    """Return what the last exception said that ended a life, "" for none."""
    try:
        return (store.load(_TEXT) or b"").decode()
    except ValueError:
        return ""
