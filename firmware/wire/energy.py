"""What node and gateway both reckon about a battery. Integers: microamperes, milliseconds, milliampere-hours.

Usable are 80 % of what is printed on a cell: cold, age, and the cut-off of the regulator take the rest. A
cell loses 2 % a year by itself. Both are assumptions, named wherever the figures are shown.
"""

from ._compat import const

USABLE_PCT = const(80)
SELF_DISCHARGE_PCT_Y = const(2)
MOST_DAYS = const(65534)
_UNKNOWN_DAYS = const(65535)

BLOCK = const(2)  # kind of the block in the status uplink: average current u24 (microamperes), days left u16


def pack_block(average_ua, days):
    """Return the body of the block; days: None where nothing is known."""
    days = _UNKNOWN_DAYS if days is None else days
    return min(average_ua, 0xFFFFFF).to_bytes(3, "big") + min(days, _UNKNOWN_DAYS).to_bytes(2, "big")


def unpack_block(body):
    """Return (average_ua, days or None) of a body, or None where it is not one of this table."""
    if len(body) != 5:
        return None
    days = int.from_bytes(body[3:], "big")
    return int.from_bytes(body[:3], "big"), None if days == _UNKNOWN_DAYS else days


def predicted_ua(charges_nc, total_ms):
    """Return the mean current of charges (nanocoulombs) over a time, rounded."""
    return (sum(charges_nc) + total_ms // 2) // total_ms


def self_discharge_ua(battery_mah):
    """Return what a cell loses by itself, as a current."""
    return battery_mah * 1000 * SELF_DISCHARGE_PCT_Y // (100 * 8766)


def days_left(battery_mah, used_mas, average_ua):
    """Return whole days, or None without a battery; never more than MOST_DAYS."""
    if not battery_mah or not average_ua:
        return None
    left_mas = battery_mah * 36 * USABLE_PCT - used_mas
    if left_mas <= 0:
        return 0
    per_day_mas = (average_ua + self_discharge_ua(battery_mah)) * 86400 // 1000
    return min(MOST_DAYS, left_mas // max(1, per_day_mas))
