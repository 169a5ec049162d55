"""What nodes reckon, for both Pythons: statistics, dew points, bin tables, energy, and a bin's story."""

from kernels.dewpoint import dew_point_centi
from kernels.statistics import Statistics
from node.bin import BinKind, litres, parse_table, sound_mm
from wire import energy


def _statistics(values):
    s = Statistics()
    for value in values:
        s.add(value)
    return [s.n, s.mean(), s.low, s.high, s.deviation(), s.certain(5)]


def story(rows, depth_mm=1000, table="", fixed=False):
    """Feed records [now_ms, readings] to a bin; return what is kept, with its pace and next look."""
    kind = BinKind(depth_mm, parse_table(table), fixed)
    out = []
    for now_ms, readings in rows:
        kept = kind.refine([tuple(r) for r in readings], now_ms)
        out.append([[list(r) for r in kept], kind.stretch(), kind.again_ms])
    return out


def run(data):
    return {
        "statistics": [_statistics(values) for values in data["values"]],
        "dew": [dew_point_centi(t, h) for t, h in data["dew"]],
        "litres": [litres(parse_table(data["table"]), mm) for mm in data["mm"]],
        "sound": [sound_mm(mm, t) for mm, t in data["sound"]],
        "story": story(data["story"], 1000, data["table"]),
        "days": [energy.days_left(*row) for row in data["days"]],
        "block": energy.pack_block(1234567, None).hex(),
    }
