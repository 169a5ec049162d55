"""Which kind of node this is, from config.json and what the board has."""

from wire.measurements import DISTANCE, DISTANCE_LIGHT, LID_OPENINGS, RAIN_TIPS, TEMPERATURE, TILT

from .energy import Budget, Ledger
from .sensing import SensingNode


def make(board, last_value, hal, settings, sensors, link, log, outbox, clock, *more):
    """Return the SensingNode of a configuration, ready to run. From hal on: the arguments of core.Node."""
    node = SensingNode(hal, settings, sensors, link, log, outbox, clock, *more)
    ledger = Ledger(getattr(board, "ENERGY", None), clock.uptime_ms)
    budget = Budget(ledger, settings["battery_days"], clock.uptime_ms)
    measured = [measurement for sensor in sensors for measurement in sensor.driver.MEASURES]
    kind = None
    glances = False
    if settings["kind"] == "bin" and DISTANCE in measured:
        kind = _bin(settings, sensors, last_value)
        glances = TILT in measured or (DISTANCE_LIGHT in measured and TEMPERATURE in measured)
    elif settings["kind"] == "garden":
        from .garden import GardenKind

        kind = GardenKind()
        glances = RAIN_TIPS in measured
    return node.furnish(kind, ledger, budget, settings["watch_s"] * 1000 if glances else 0)


def _bin(settings, sensors, last_value):
    from .bin import BinKind, parse_table

    fixed = any(getattr(sensor.driver, "fixed_sound", False) for sensor in sensors)
    table = parse_table(settings["bin_table"])
    return BinKind(settings["bin_depth_mm"], table, fixed, last_value(LID_OPENINGS) or 0)
