"""Before anything is written or sent: is there power for it?

A solar node after a week of fog starts again and again, and each start that writes flash or lifts the radio
may be the one in which the supply gives way. So a start below the critical voltage waits, longer each time,
and a running node keeps back its records until the voltage is well above it again (node/power.py).
"""

from wire._compat import const
from wire.record import FIRST_ERROR

from .power import critical_mv

_FIRST_MS = const(120000)
_LONGEST_MS = const(600000)
_ABOVE_MV = const(100)


def battery_mv(driver):
    """Return what a battery driver says, or None where it cannot."""
    driver.start()
    readings = driver.fetch()
    driver.stop()
    return readings[0][1] if readings and readings[0][2] < FIRST_ERROR else None


def wait_for_power(driver, low_mv, sleep, say):
    """Sleep while the battery is critical; return for how many ms. driver: None where nobody measures it."""
    limit_mv = critical_mv(low_mv)
    waited_ms = 0
    pause_ms = _FIRST_MS
    while limit_mv and driver is not None:
        found = battery_mv(driver)
        if found is None or found >= limit_mv + (_ABOVE_MV if waited_ms else 0):
            break
        say("battery " + str(found) + " mV: waiting for power")
        sleep(pause_ms)
        waited_ms += pause_ms
        pause_ms = min(2 * pause_ms, _LONGEST_MS)
    return waited_ms
