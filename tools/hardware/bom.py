"""Bill of materials as CSV: what to buy, how many, and what current it takes. Prices are the buyer's."""

from __future__ import annotations

import csv
import io
from collections import Counter

from simulator.hardware import NodeHardware, parts
from tools.hardware.checks import peak_ma

HEAD = (
    "reference",
    "part",
    "maker",
    "order_code",
    "quantity",
    "unit_price_eur",
    "measuring_ma",
    "peak_ma",
    "source",
)


def bom(node: NodeHardware) -> str:
    """Return the CSV text; the last row sums what all parts may take at once."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEAD)
    board = node.board
    wifi_ma = node.chip["wifi_peak_ma"]
    writer.writerow(
        ("U1", board["name"], board["maker"], board["order_code"], 1, "", node.chip["cpu_ma"], wifi_ma, "")
    )
    catalogue = parts()
    measuring = float(node.chip["cpu_ma"])
    for i, key in enumerate(key for key in node.parts if not catalogue[key].get("on_board")):
        part = catalogue[key]
        on_ma = part["active_ua"] / 1000
        measuring += on_ma
        row = (f"S{i + 1}", part["name"], part["maker"], part["order_code"], 1, "")
        writer.writerow((*row, f"{on_ma:.2f}", part["peak_ma"], part["source"]))
    for i, (key, n) in enumerate(Counter(node.others).items()):
        part = catalogue[key]
        writer.writerow((f"X{i + 1}", part["name"], part["maker"], part["order_code"], n, "", "", "", ""))
    low, high = peak_ma(node)
    writer.writerow(
        ("", "total", "", "", "", "", f"{measuring:.2f}", low + high, "all at once, at its supply")
    )
    return out.getvalue()
