"""Charge, action by action, and what is left of the battery.

Currents come from the board's ENERGY (made from hardware/), times from what the node did. Charges are
integers in nanocoulombs (microamperes times milliseconds). `meetnet energy` prints the same sums beforehand.
"""

from wire._compat import const
from wire.energy import days_left, predicted_ua

_RX_MS = const(120)  # both windows of an uplink that nobody answers, at their shortest
_HOURS = const(3600000)


class Ledger:
    """Times of a life: asleep, sending, listening, and each sensor; the rest the processor was awake.

    currents: ENERGY of the board, or None: then nothing is known. used_mas: charge of earlier lives.
    """

    def __init__(self, currents, uptime_ms, used_mas=0):
        self.currents = currents
        self._uptime_ms = uptime_ms
        self._used_mas = used_mas
        self.slept_ms = 0
        self.sent_ms = 0
        self.uplinks = 0
        self.sensor_ms = {}

    def slept(self, ms):
        """The node was asleep."""
        self.slept_ms += max(0, ms)

    def sent(self, air_ms):
        """A frame was on the air."""
        self.sent_ms += air_ms
        self.uplinks += 1

    def sensor(self, name, ms):
        """A sensor was on."""
        self.sensor_ms[name] = self.sensor_ms.get(name, 0) + max(0, ms)

    def by_action(self):
        """Return [(action, nanocoulombs)]: asleep, awake, sending, listening, then the sensors by name."""
        c = self.currents
        if c is None:
            return []
        total_ms = self._uptime_ms()
        rows = [
            ("asleep", total_ms * c["sleep_ua"]),
            ("awake", max(0, total_ms - self.slept_ms) * c["cpu_ua"]),
            ("sending", self.sent_ms * c["tx_ua"]),
            ("listening", self.uplinks * _RX_MS * c["rx_ua"]),
        ]
        for name in sorted(self.sensor_ms):
            measuring, waiting = c["sensors"].get(name, (0, 0))
            rows.append((name, self.sensor_ms[name] * max(0, measuring - waiting)))
        return rows

    def average_ua(self):
        """Return the mean current of this life in microamperes, 0 when nothing is known."""
        total_ms = self._uptime_ms()
        if self.currents is None or not total_ms:
            return 0
        return predicted_ua([nc for _action, nc in self.by_action()], total_ms)

    def used_mas(self):
        """Return the charge taken from the battery so far, in milliampere-seconds."""
        return self._used_mas + sum([nc for _action, nc in self.by_action()]) // 1000000

    def days_left(self):
        """Return days until the battery is empty at this pace, or None (mains, or nothing known)."""
        if self.currents is None:
            return None
        return days_left(self.currents["battery_mah"], self.used_mas(), self.average_ua())


class Budget:
    """Trades sampling for days: intervals grow while the battery would not last as long as wanted.

    until_days: how long it must last from its first use, 0 for no matter. Judged once an hour.
    """

    def __init__(self, ledger, until_days, uptime_ms):
        self._ledger = ledger
        self._until_days = until_days
        self._uptime_ms = uptime_ms
        self._judged_ms = 0
        self.stretch = 1

    def judge(self):
        """Return by how much the interval is to be stretched: 1, 2, 4 or 8."""
        now_ms = self._uptime_ms()
        if not self._until_days or now_ms - self._judged_ms < _HOURS:
            return self.stretch
        self._judged_ms = now_ms
        days = self._ledger.days_left()
        if days is None:
            return self.stretch
        wanted = self._until_days - now_ms // 86400000
        if days < wanted and self.stretch < 8:
            self.stretch *= 2
        elif days > wanted * 2 and self.stretch > 1:
            self.stretch //= 2
        return self.stretch
