"""What a node will take from its battery: the firmware's own sums, made beforehand from hardware/*.toml.

The node keeps the same account while it lives (firmware/node/energy.py) and tells it in its status; a test
lets both describe the same hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from simulator.hardware import NodeHardware, parts
from wire import energy as wire_energy
from wire.lorawan.airtime import time_on_air_us

DAY_S = 86_400
RECORD_AWAKE_S = 0.3  # waking, the log, planning: estimate, to be measured on a chip
GLANCE_AWAKE_S = 0.03
UPLINK_AWAKE_S = 2.2  # until the second window closes; the radio code does not sleep
WINDOWS_S = 0.12
LORAWAN_BYTES = 13
WATCH_S = 60
USB_V = 5.0  # before a linear regulator, which passes the current on as it is
CELL_V = {"cell_lithium": 3.7, "cell_2aa": 3.0}
LISTEN_AWAKE_S = 1.7  # of a listening: starting the bus, warming up, judging


@dataclass(frozen=True)
class Row:
    """One action of a day: what, at which current, for how long."""

    action: str
    ua: float
    seconds: float

    @property
    def mah(self) -> float:
        """Charge of a day in mAh."""
        return self.ua * self.seconds / 3_600_000


@dataclass(frozen=True)
class Prediction:
    """A day of a node, and what follows. days is None on mains."""

    node: str
    interval_s: int
    sf: int
    payload_bytes: int
    rows: list[Row]
    battery_mah: int
    days: int | None
    assumptions: list[str]
    volts: float = USB_V

    @property
    def average_ua(self) -> float:
        """Mean current in microamperes."""
        return sum(row.ua * row.seconds for row in self.rows) / DAY_S

    @property
    def mwh(self) -> float:
        """Energy of a day in mWh, as the supply gives it."""
        return sum(row.mah for row in self.rows) * self.volts

    def as_json(self) -> dict[str, Any]:
        """Return the prediction for programs."""
        return {
            "node": self.node,
            "interval_s": self.interval_s,
            "sf": self.sf,
            "payload_bytes": self.payload_bytes,
            "average_ua": round(self.average_ua, 1),
            "mwh_a_day": round(self.mwh, 1),
            "volts": self.volts,
            "battery_mah": self.battery_mah,
            "days": self.days,
            "rows": [
                {
                    "action": r.action,
                    "ua": r.ua,
                    "seconds_a_day": round(r.seconds, 2),
                    "mah_a_day": round(r.mah, 4),
                }
                for r in self.rows
            ],
            "assumptions": self.assumptions,
        }


def predict(
    node: NodeHardware,
    interval_s: int,
    sf: int,
    payload_bytes: int = 34,
    radio: bool = True,
    listens_s: int = 0,
) -> Prediction:
    """Return a day of a node that sends each record at once.

    listens_s: how long a microphone listens for a record, `noise_s` of the node; 0: all the time.
    """
    catalogue, currents = parts(), node.description["energy"]
    records = DAY_S / interval_s
    frames = records if radio else 0.0
    air_s = time_on_air_us(sf, 125, payload_bytes + LORAWAN_BYTES) / 1e6
    glances = DAY_S / WATCH_S if node.kit["kind"] in ("bin", "garden") else 0.0
    fetching_s = sum(catalogue[key]["awake_s"] for key in node.parts)
    awake_s = records * (RECORD_AWAKE_S + fetching_s) + glances * GLANCE_AWAKE_S
    on_s = {key: catalogue[key]["on_s"] for key in node.parts}
    ears = [key for key in node.parts if catalogue[key]["driver"] == "i2s_mic"]
    for key in ears:
        on_s[key] = interval_s if not listens_s else min(interval_s, listens_s + LISTEN_AWAKE_S)
        awake_s += records * (on_s[key] - catalogue[key]["awake_s"])
    awake_s = min(DAY_S, awake_s + frames * (air_s + UPLINK_AWAKE_S))
    rows = [
        Row("asleep", currents["sleep_ua"], DAY_S),
        Row("awake", currents["cpu_ua"], awake_s),
        Row("sending", currents["tx_ua"], frames * air_s),
        Row("listening", currents["rx_ua"], frames * WINDOWS_S),
    ]
    for key in node.parts:
        on_ua, waiting_ua = currents["sensors"][catalogue[key]["driver"]]
        if on_ua:
            rows.append(Row(key, on_ua - waiting_ua, records * on_s[key]))
    average = round(sum(row.ua * row.seconds for row in rows) / DAY_S)
    days = wire_energy.days_left(currents["battery_mah"], 0, average)
    assumptions = _assumptions(node, sf)
    if ears:
        how = f"{listens_s} s of each record" if listens_s else "all the time, so the chip never sleeps"
        assumptions.append(f"the microphone listens {how}; waiting takes what being awake takes")
    volts = CELL_V[node.board["power"]["cells"]] if node.kit["power"] == "cell" else USB_V
    return Prediction(
        node.name, interval_s, sf, payload_bytes, rows, currents["battery_mah"], days, assumptions, volts
    )


def _assumptions(node: NodeHardware, sf: int) -> list[str]:
    power, catalogue = node.board["power"], parts()
    found = [
        f"{wire_energy.USABLE_PCT} % of the cell is usable, "
        f"{wire_energy.SELF_DISCHARGE_PCT_Y} % a year goes by itself",
        f"light sleep {node.chip['light_sleep_ua']} uA ({node.chip['name']} data sheet), "
        f"board {power['extra_sleep_ua']} uA more: {power['extra_source']}",
        f"awake {node.chip['cpu_ma']} mA; {RECORD_AWAKE_S} s a record beside fetching, "
        f"{UPLINK_AWAKE_S} s an uplink, {GLANCE_AWAKE_S} s a glance each {WATCH_S} s: estimates",
        f"every record is a frame of its own at SF{sf}, +14 dBm, nothing sent twice, no downlinks",
    ]
    if any(catalogue[key]["supply"] == "5v" for key in node.parts) and node.kit["power"] == "cell":
        found.append("5 V from the cell with 85 % efficiency")
    return found + [f"{key}: {catalogue[key]['source']}" for key in node.parts]


def table(prediction: Prediction) -> str:
    """Return the prediction as text."""
    p = prediction
    total = sum(row.mah for row in p.rows)
    lines = [
        f"{p.node}: a record every {p.interval_s} s, {p.payload_bytes} bytes at SF{p.sf}",
        "",
        f"{'ACTION':<16}{'CURRENT':>12}{'SECONDS/DAY':>14}{'mAh/DAY':>10}{'SHARE':>8}",
    ]
    for row in sorted(p.rows, key=lambda row: -row.mah):
        share = row.mah / total
        lines.append(
            f"{row.action:<16}{row.ua / 1000:>9.3f} mA{row.seconds:>14.1f}{row.mah:>10.3f}{share:>8.1%}"
        )
    lines += [
        "",
        f"average {p.average_ua / 1000:.3f} mA, {total:.2f} mAh, {p.mwh:.1f} mWh at {p.volts} V a day",
    ]
    if p.days is not None:
        lines.append(f"{p.battery_mah} mAh last {p.days} days ({p.days / 365.25:.1f} years)")
    else:
        lines.append("on mains")
    return "\n".join([*lines, "", "Assumptions", *(f"- {text}" for text in p.assumptions)])


def svg(prediction: Prediction) -> str:
    """Return the picture: a bar an action, its charge a day."""
    p = prediction
    rows = sorted(p.rows, key=lambda row: -row.mah)
    most = max(row.mah for row in rows)
    lines: list[str] = []
    for i, row in enumerate(rows):
        y = 64 + 30 * i
        width = max(1.0, 420 * row.mah / most)
        lines += [
            f'<text x="150" y="{y + 16}" text-anchor="end">{escape(row.action)}</text>',
            f'<rect x="160" y="{y}" width="{width:.1f}" height="22" fill="#2463b4"/>',
            f'<text x="{168 + width:.1f}" y="{y + 16}">{row.mah:.3f} mAh</text>',
        ]
    foot = 84 + 30 * len(rows)
    end = "on mains" if p.days is None else f"{p.battery_mah} mAh last {p.days} days"
    title = escape(f"{p.node}, every {p.interval_s} s, SF{p.sf}: {p.average_ua / 1000:.3f} mA, {end}")
    notes = [
        f'<text x="20" y="{foot + 18 * i}" class="note">{escape(text)}</text>'
        for i, text in enumerate(p.assumptions)
    ]
    height = foot + 18 * len(notes) + 10
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 {height}" role="img" '
        f'aria-label="{title}">\n'
        "<style>text{font:14px sans-serif}.note{font-size:11px;fill:#444}</style>\n"
        '<rect width="100%" height="100%" fill="#fff"/>\n'
        f'<text x="20" y="32" font-weight="bold">{title}</text>\n' + "\n".join(lines + notes) + "\n</svg>\n"
    )
