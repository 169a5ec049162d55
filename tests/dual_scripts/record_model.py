"""Records and the measurement table behave the same on both Pythons."""

from wire import measurements, record


def run(data):
    """Return the table and the equality of two equal records."""
    a = record.Record(data["seq"], data["time_s"], record.TIME_NTP, [(measurements.PM2_5, 73, record.OK)])
    b = record.Record(data["seq"], data["time_s"], record.TIME_NTP, [(measurements.PM2_5, 73, record.OK)])
    c = record.Record(data["seq"] + 1, data["time_s"], record.TIME_NTP, [])
    return {
        "equal": a == b,
        "different": a == c,
        "rows": [list(row) for row in measurements.MEASUREMENTS],
        "name": measurements.by_name("laeq")[0],
        "unknown": measurements.by_id(250),
        "text": repr(a),
    }
