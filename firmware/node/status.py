"""Gathers the status uplink from the rooms of the node."""

from wire.status import (
    FLAG_BATTERY_LOW,
    FLAG_CONFIG_DEFAULTS,
    FLAG_FELL_BACK,
    FLAG_LOG_FAULT,
    FLAG_LOG_TORN,
    FLAG_MENDED,
    FLAG_SAFE_MODE,
    MAX_SENSORS,
    MENDED_BLOCK,
    Status,
    encode_status,
)

from .version import VERSION


class Health:
    """What start-up found: reset cause, boots, crashes, and which flags it raised."""

    def __init__(self, reset_cause=0, boots=0, crashes=0, safe_mode=False, mended=False):
        self.reset_cause = reset_cause
        self.boots = boots
        self.crashes = crashes
        self.safe_mode = safe_mode
        self.mended = mended
        self.mended_what = 0  # wire.status.MENDED
        self.fell_back = False
        self.config_errors = []
        self.missing = []  # (name, state, text) of sensors that could not even be built


def _flags(health, outbox, log, power):
    flags = 0
    for raised, flag in (
        (health.config_errors, FLAG_CONFIG_DEFAULTS),
        (health.safe_mode, FLAG_SAFE_MODE),
        (outbox.write_errors, FLAG_LOG_FAULT),
        (log.torn, FLAG_LOG_TORN),
        (power.near, FLAG_BATTERY_LOW),
        (health.mended, FLAG_MENDED),
        (health.fell_back, FLAG_FELL_BACK),
    ):
        if raised:
            flags |= flag
    return flags


def gather(node):
    """Return the payload of the status uplink of a node.core.Node."""
    status = fields(node)
    if node.health.mended_what:
        status.blocks += ((MENDED_BLOCK, bytes([node.health.mended_what])),)
    for source in [sensor.driver for sensor in node.sensors] + [node]:
        block = getattr(source, "status_block", None)
        if block is not None:
            status.blocks += (block(),)
    payload = encode_status(status)
    if len(payload) > node.link.limit():
        status.blocks = ()
        payload = encode_status(status)
    return payload


def fields(node):
    """Return the Status of a node.core.Node, without its blocks."""
    age_s = node.time.age_s()
    return Status(
        VERSION,
        node.health.reset_cause,
        node.health.boots,
        _flags(node.health, node.outbox, node.log, node.power),
        node.config.hash4(),
        node.power.battery_mv or 0,
        node.time.uptime_ms() // 1000,
        node.outbox.waiting,
        node.outbox.dropped,
        node.link.failures,
        node.link.last_failure,
        node.health.crashes,
        255 if age_s is None else min(255, age_s // 3600),
        ([sensor.state for sensor in node.sensors] + [row[1] for row in node.health.missing])[:MAX_SENSORS],
    )
