"""The radio model beside its peers: `python -m tests.bench.radio [--picture FILE.svg] [--json] [--frames N]`.

Data extraction rate against the number of nodes on the scenarios of LoRaSim (Bor et al., MSWiM 2016: 20 bytes
each 1,000 s, SF12) and FLoRa (Slabicki et al., NOMS 2018: Oulu's path loss, 5 km), and speed in frames per
second of processor on the same scenario, in one run.

LoRaSim and FLoRa are in no package registry. What runs here as peer is LoRaSim's published algorithm written
plainly from the paper (section 4): an event queue (heapq, quicker than the simpy it uses), a list of packets
at the base station, each new packet checked against the list. FLoRa's receiver likewise: a matrix, and the
critical section from six symbols before the preamble's end. The published points are Bor's: with SN1 and
N = 200 a rate of 0.51 without and 0.64 with capture; with SN3 64 nodes at 0.9 (the corrected paper).
FLoRa's published figures were not to be had as numbers. The formula exp(-2 N T lambda) is nobody's code.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from simulator.channel import tables
from simulator.channel.model import RadioModel
from tests.simulator.radio_cases import SLOW, Traffic
from tools.charts import Line, Panel, svg

NODES = (25, 64, 120, 200, 400, 800)
PUBLISHED = ((200, 0.51, "aloha"), (200, 0.64, "SN1"), (64, 0.90, "SN3"))
_CHANNEL_HZ = 868_100_000


@dataclass(eq=False)
class _Packet:
    """A packet as the peers know it."""

    node: int
    start_us: int
    end_us: int
    rssi_dbm: float
    collided: bool = False
    heard: bool = True
    others: list[_Packet] = field(default_factory=list["_Packet"])


def lorasim(traffic: Traffic, rssi_dbm: list[float]) -> tuple[float, int, float]:
    """Return (rate, packets, seconds of processor) of LoRaSim's algorithm with full collision check.

    Each node waits an exponential time, sends, waits. At arrival the packet is compared with all that are
    there: same frequency and SF; it matters if the other ends after the first three preamble symbols of the
    new one; 6 dB decide who is lost, below that both are.
    """
    chance = random.Random(traffic.seed)
    every_us = traffic.every_s * 1e6
    limit_dbm = float(tables.LORASIM_SENSITIVITY_DBM[traffic.sf - 7])
    saved_us = 3 * ((1 << traffic.sf) * 8)
    began = time.process_time()
    queue: list[tuple[float, int, _Packet | None]] = [
        (chance.expovariate(1 / every_us), node, None) for node in range(traffic.nodes)
    ]
    heapq.heapify(queue)
    there: list[_Packet] = []
    sent = received = 0
    end_us = traffic.seconds * 1e6
    while queue and queue[0][0] < end_us:
        now, node, packet = heapq.heappop(queue)
        if packet is None:
            packet = _Packet(node, int(now), int(now) + traffic.air_us, rssi_dbm[node])
            sent += 1
            if packet.rssi_dbm >= limit_dbm:
                for other in there:
                    if now + saved_us < other.end_us:
                        difference = packet.rssi_dbm - other.rssi_dbm
                        if difference < 6.0:
                            packet.collided = True
                        if difference > -6.0:
                            other.collided = True
                there.append(packet)
            heapq.heappush(queue, (float(packet.end_us), node, packet))
        else:
            if packet.rssi_dbm >= limit_dbm:
                there.remove(packet)
                received += not packet.collided
            heapq.heappush(queue, (now + chance.expovariate(1 / every_us), node, None))
    return received / max(sent, 1), sent, time.process_time() - began


def flora(traffic: Traffic, rssi_dbm: list[float]) -> float:
    """Return the rate by FLoRa's receiver: each packet against all that overlap its critical section."""
    rng = np.random.default_rng(traffic.seed + 1000)
    n = int(rng.poisson(traffic.seconds / traffic.every_s * traffic.nodes))
    starts = np.sort(rng.integers(0, round(traffic.seconds * 1e6), n)).tolist()
    rng.integers(0, traffic.channels, n)
    senders = rng.integers(0, traffic.nodes, n).tolist()
    critical_us = (8 - 6) * ((1 << traffic.sf) * 8)
    limit = float(tables.NODE_SENSITIVITY_DBM[traffic.sf - 7])
    needed = float(tables.CROCE_DB[traffic.sf - 7, traffic.sf - 7])
    received = 0
    first = 0
    for k in range(n):
        start, end, power = starts[k], starts[k] + traffic.air_us, rssi_dbm[senders[k]]
        while starts[first] + traffic.air_us <= start:
            first += 1
        lost = power < limit
        j = first
        while j < n and starts[j] < end and not lost:
            overlaps = (
                j != k and senders[j] != senders[k] and starts[j] + traffic.air_us > start + critical_us
            )
            lost = overlaps and power - rssi_dbm[senders[j]] < needed
            j += 1
        received += not lost
    return received / max(n, 1)


def powers(traffic: Traffic, model: RadioModel) -> list[float]:
    """Return what arrives of each node, dBm, without fading."""
    from tests.simulator.radio_cases import GATEWAY

    loss = model.path_loss.links_db(traffic.places(), GATEWAY)[:, 0]
    return (traffic.power_dbm - loss).tolist()


def curves(frames: int) -> dict[str, Any]:
    """Return extraction rates by number of nodes, ours and the peers'."""
    found: dict[str, Any] = {"nodes": list(NODES)}

    def run(name: str, **kind: Any) -> list[Traffic]:
        return [Traffic(n, frames / n * 1000.0, **kind) for n in NODES]

    slow = run("SN1", coding_rate=SLOW)
    found["formula"] = [round(math.exp(-2 * t.nodes * t.air_us / 1e6 / t.every_s), 4) for t in slow]
    found["SN1 aloha"] = [round(t.extracted(RadioModel.aloha()), 4) for t in slow]
    found["SN1 ours"] = [round(t.extracted(RadioModel.lorasim()), 4) for t in slow]
    found["SN1 LoRaSim"] = [round(lorasim(t, powers(t, RadioModel.lorasim()))[0], 4) for t in slow]
    quick = run("SN3")
    found["SN3 ours"] = [round(t.extracted(RadioModel.lorasim()), 4) for t in quick]
    found["SN3 LoRaSim"] = [round(lorasim(t, powers(t, RadioModel.lorasim()))[0], 4) for t in quick]
    wide = run("FLoRa", radius_m=5000.0)
    found["FLoRa ours"] = [round(t.extracted(RadioModel.flora()), 4) for t in wide]
    found["FLoRa"] = [round(flora(t, powers(t, RadioModel.flora())), 4) for t in wide]
    found["town"] = [round(t.extracted(RadioModel()), 4) for t in run("town", radius_m=2000.0)]
    return found


def speed(frames: int) -> dict[str, Any]:
    """Return frames per second of processor: ours and LoRaSim's algorithm on the same nodes and load."""
    out: dict[str, Any] = {}
    for nodes in (200, 1600):
        traffic = Traffic(nodes, frames / nodes * 1000.0, coding_rate=SLOW)
        rssi = powers(traffic, RadioModel.lorasim())
        _, sent, peer_s = lorasim(traffic, rssi)
        model, air, places = RadioModel.lorasim(), traffic.air(), traffic.places()
        from simulator.channel.listening import Listening
        from tests.simulator.radio_cases import GATEWAY

        listening = Listening(model, GATEWAY, places)
        began = time.process_time()
        listening.add(air)
        listening.ended()
        ours_s = time.process_time() - began
        out[f"{nodes} nodes"] = {
            "ours_frames_per_cpu_s": round(len(air) / ours_s),
            "lorasim_algorithm_frames_per_cpu_s": round(sent / peer_s),
            "ratio": round(len(air) / ours_s / (sent / peer_s), 1),
        }
    return out


def picture(found: dict[str, Any]) -> str:
    """Return an SVG of the curves."""
    x = [float(n) for n in found["nodes"]]

    def panel(title: str, names: tuple[str, ...], points: list[tuple[int, float]]) -> Panel:
        lines = [Line(name, x, found[name]) for name in names]
        if points:
            lines.append(Line("published", [p[0] for p in points], [p[1] for p in points], marks=True))
        return Panel(title, "nodes", lines, (0.0, 1.0))

    return svg(
        [
            panel("SN1 without capture", ("formula", "SN1 aloha"), [(200, 0.51)]),
            panel("SN1 with capture", ("SN1 ours", "SN1 LoRaSim"), [(200, 0.64)]),
            panel("SN3 with capture", ("SN3 ours", "SN3 LoRaSim"), [(64, 0.9)]),
            panel("FLoRa, Oulu, 5 km", ("FLoRa ours", "FLoRa"), []),
        ],
        2,
        "Data extraction rate: the radio model, LoRaSim, FLoRa and the ALOHA formula (tests/bench/radio.py)",
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=40_000, help="frames for each point")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="write the curves as a picture")
    parser.add_argument("--json", dest="as_json", action="store_true", help="print JSON")
    options = parser.parse_args()
    found = curves(options.frames)
    figures = {"extraction_rate": found, "published": PUBLISHED, "speed": speed(options.frames)}
    if options.picture is not None:
        options.picture.write_text(picture(found), encoding="utf-8")
    if options.as_json:
        print(json.dumps(figures, indent=1))
        return
    print(f"{'extraction rate':<16}" + "".join(f"{n:>8}" for n in found["nodes"]))
    for name, row in found.items():
        if name != "nodes":
            print(f"{name:<16}" + "".join(f"{value:>8.3f}" for value in row))
    for name, row in figures["speed"].items():
        print(f"{name}: {row}")


if __name__ == "__main__":
    main()
