"""Builds the codec profiles that ship, from recordings whose licences permit it.

    python -m tools.codec_profiles SHARED [--check]

SHARED is the folder of recordings. Trained on: aq_toco (MIT), noise_1m and noise_1s (Apache-2.0). Channels
without such a recording have the generic network (trained on all of these without looking at other channels),
a scale by hand, and hand-made bins of a first value: BY_HAND below. --check builds again and compares.
Once a profile is released its module never changes: a better one gets the next number.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "firmware"), str(ROOT)]

from gateway.codec_lab import build, first, recordings, train  # noqa: E402
from gateway.codec_lab.build import HEAD_BITS  # noqa: E402
from gateway.codec_lab.features import Plan, Seen, see, series_of, states  # noqa: E402
from gateway.codec_lab.first import First  # noqa: E402
from gateway.codec_lab.profile import channel_bytes, network_bytes, table_bytes  # noqa: E402
from gateway.codec_lab.recordings import Column, Ints, Run  # noqa: E402
from wire import measurements  # noqa: E402
from wire.codec import v2_profiles  # noqa: E402
from wire.codec.v2_channel import BASE_ZERO, NO_BASE  # noqa: E402
from wire.codec.v2_tables import MASSES  # noqa: E402

STEPS = 4000
INTERVAL_S = {2: 60, 7: 60, 8: 60, 9: 60, 10: 1, 11: 60, 3: 900, 5: 900, 25: 900, 26: 900, 27: 900, 28: 900}
GARDENS_S = {4: 600, 20: 600, 21: 600, 22: 600}
USUAL_S = 300
# What stands for a channel that was not recorded: (usual size of a difference, base channel). PM sensors
# derive their channels from one count, levels lie near one another: differences between channels are small.
BY_HAND = {
    "pm4": (2.0, "pm2_5"),
    "pm2_5": (2.0, "pm1"),
    "pm10": (2.0, "pm4"),
    "pm2_5_min": (3.0, "pm2_5"),
    "pm2_5_max": (5.0, "pm2_5"),
    "pm2_5_deviation": (2.0, None),
    "samples": (0.5, None),
    "lafmax": (40.0, "laeq"),
    "lafmin": (10.0, "laeq"),
    "la10": (10.0, "laeq"),
    "la50": (15.0, "laeq"),
    "la90": (15.0, "la50"),
    "lceq": (10.0, "laeq"),
    "lcpeak": (40.0, "lafmax"),
    "la1": (20.0, "la10"),
    "la95": (4.0, "la90"),
    "la99": (4.0, "la95"),
    "lasmax": (15.0, "lafmax"),
    "lzeq": (10.0, "lceq"),
    "sound_notes": (0.3, None),
    "distance": (4.0, None),
    "distance_light": (8.0, "distance"),
    "fill_volume": (2.0, None),
    "tilt": (1.0, None),
    "lid_openings": (1.0, None),
    "passages": (10.0, None),
    "events": (0.3, None),
    "health": (0.3, None),
    "rain_tips": (1.0, None),
    "battery": (4.0, None),
    "soil_temperature": (8.0, None),
    "soil_moisture": (1.0, None),
    "dew_point": (15.0, "temperature"),
}
_FLAGS = ("health", "events", "sound_notes")


def by_hand(name: str, names: list[str]) -> tuple[float, int]:
    """Return (scale, place of the base channel) of a channel that nobody recorded."""
    if name.startswith("lzeq_"):  # a third octave moves with the one below
        at = names.index(name)
        return 2.0, at - 1 if at else NO_BASE
    scale, base = BY_HAND[name]
    is_before = base is not None and base in names and names.index(base) < names.index(name)
    return scale, names.index(str(base)) if is_before else NO_BASE


@dataclass(frozen=True)
class Trained:
    """A channel whose network was trained."""

    network: bytes
    bits: float  # a later value
    plan: Plan
    prior: First


def column(name: str) -> Column:
    """Return a row of the measurement table as a column."""
    row = measurements.by_name(name)
    assert row is not None
    _, _, _, decimals, low, high = row
    unit = 10**decimals
    return Column(name, 1 / unit, low / unit, high / unit)


def toco(folder: Path, names: dict[str, str], mean_s: int) -> tuple[list[Run], list[Column]]:
    """Return aq_toco at the measurement table's resolution; names: column in the file by measurement."""
    columns = [column(name) for name in names]
    in_file = [Column(names[c.name], c.resolution, c.least, c.most) for c in columns]
    return recordings.load(folder / "aq_toco/train.csv", in_file, mean_s=mean_s)[0], columns


def seen_of(
    runs: list[Run], columns: list[Column], length: int, *, alone: bool
) -> tuple[list[Plan], list[Seen], Ints]:
    """Return what each channel sees, and all records as series."""
    sample = recordings.windows(runs, length, build.WINDOWS)
    plans = build.make_plans(columns, sample)
    if alone:
        plans = [Plan(p.raw_min, p.raw_max, p.scale) for p in plans]
    series = series_of(sample, plans)
    all_states = [states(series[..., c], plan) for c, plan in enumerate(plans)]
    records = series_of(np.concatenate([run.values for run in runs]), plans)
    return plans, [see(c, plans, all_states) for c in range(len(plans))], records


def trained(runs: list[Run], columns: list[Column], length: int) -> dict[str, Trained]:
    """Train channels together; return them by name."""
    plans, seen, records = seen_of(runs, columns, length, alone=False)
    out: dict[str, Trained] = {}
    for c, (col, plan) in enumerate(zip(columns, plans, strict=True)):
        weights, mean = train.train([seen[c]], train.Schedule(steps=STEPS))
        print(f"{col.name}: {mean:.2f} bits a value", flush=True)
        out[col.name] = Trained(
            network_bytes(weights), mean, plan, first.fit(c, records, col.raw_max - col.raw_min)
        )
    return out


def hand_first(name: str, base: int) -> First:
    """Return bins of a first value for a channel that nobody recorded."""
    if base != NO_BASE:
        marks = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096]
        edges = [BASE_ZERO - m for m in reversed(marks[1:])] + [BASE_ZERO + m for m in marks]
    elif name == "battery":  # mV: one lithium cell, two to three alkaline cells, a 12 V battery
        edges = [0, 2000, 3000, 3400, 3600, 3800, 4000, 4250, 5500, 11000, 12400, 13000, 15000]
    elif name == "distance":  # mm
        edges = [0, 250, 500, 750, 1000, 1250, 1500, 2000, 2500, 3000, 5000]
    elif name in ("rain_tips", "lid_openings", "passages"):
        edges = [0, 1, 16, 64, 256, 1024, 4096, 65536]
    elif name in _FLAGS:
        return First((), (0, 1, 16), (MASSES - 20, 20))
    else:
        return First()
    n = len(edges) - 1
    masses = [MASSES // n + (1 if k < MASSES % n else 0) for k in range(n)]
    return First((), tuple(edges), tuple(masses))


def remap(found: Trained, order: list[int]) -> Plan:
    """Return a trained plan with its cross channels at their places in another profile."""
    return Plan(
        found.plan.raw_min,
        found.plan.raw_max,
        found.plan.scale,
        NO_BASE,
        tuple(order[k] for k in found.plan.crosses),
    )


def assemble(number: int, known: dict[str, Trained], order: list[str], generic: bytes) -> bytes:
    """Return the table of a channel set: trained channels where there are, the others generic by hand."""
    ids = v2_profiles.ids_of(number)
    assert ids is not None
    names = [str(cast("Any", measurements.by_id(i))[1]) for i in ids]
    alias = (
        {"pm1": "pm2_5"} if "pm1" in names else {}
    )  # the first PM channel is coded like PM2.5, the others above it
    places = [
        names.index(next((k for k, v in alias.items() if v == name), name)) if name in order else -1
        for name in order
    ]
    networks = [generic]
    rows: list[bytes] = []
    for name in names:
        source = alias.get(name, name)
        is_trained = source in known and name not in alias.values()
        if is_trained:
            found = known[source]
            plan = remap(found, places)
            prior = First(
                tuple((places[k], w) for k, w in found.prior.parents), found.prior.edges, found.prior.masses
            )
            networks.append(found.network)
            rows.append(channel_bytes(len(networks) - 1, plan, prior))
            continue
        scale, base = by_hand(name, names)
        col = column(name)
        rows.append(channel_bytes(0, Plan(col.raw_min, col.raw_max, scale, base), hand_first(name, base)))
    later = sum(known[n].bits for n in order)
    later += sum(0.3 if n in _FLAGS else 4 for n in names if alias.get(n, n) not in order)
    interval_s = INTERVAL_S.get(number, GARDENS_S.get(number, USUAL_S))
    return table_bytes(interval_s, HEAD_BITS + 8 * len(names), later, networks, rows)


def module(number: int, table: bytes) -> str:
    """Return the source of a profile's module."""
    lines = [
        f'    b"{"".join(f"{chr(92)}x{byte:02x}" for byte in table[at : at + 24])}"'
        for at in range(0, len(table), 24)
    ]
    what = "The generic network" if number == 0 else f"Profile {number}"
    return (
        f'"""{what} of codec version 2; made by tools/codec_profiles.py, never changed."""\n\nTABLE = (\n'
        + "\n".join(lines)
        + "\n)\n"
    )


def tables(folder: Path) -> dict[int, bytes]:
    """Train everything; return the bytes by profile number."""
    air_runs, air = toco(folder, {"pm2_5": "pm25", "temperature": "t", "relative_humidity": "rh"}, 300)
    garden_runs, garden = toco(folder, {"temperature": "t", "relative_humidity": "rh"}, 600)
    minutes, _ = recordings.load(folder / "noise_1m/train.csv", [column("laeq")])
    seconds, _ = recordings.load(folder / "noise_1s/train.csv", [column("laeq")])
    level = [column("laeq")]
    parts: list[Seen] = []
    for runs, columns, length in (
        (air_runs, air, 26),
        (garden_runs, garden, 40),
        (minutes, level, 60),
        (seconds, level, 60),
    ):
        parts += seen_of(runs, columns, length, alone=True)[1]
    weights, mean = train.train(parts, train.Schedule(steps=STEPS, rows=2048))
    print(f"generic: {mean:.2f} bits a value", flush=True)
    generic = network_bytes(weights)
    of_air = trained(air_runs, air, 26)
    of_garden = trained(garden_runs, garden, 40)
    of_noise = trained(minutes, level, 60)
    of_seconds = trained(seconds, level, 60)
    out = {0: generic}
    for number in v2_profiles.NUMBERS:
        ids = v2_profiles.ids_of(number)
        assert ids is not None
        names = [str(cast("Any", measurements.by_id(i))[1]) for i in ids]
        known, order = of_noise, ["laeq"]
        if "temperature" in names:
            known, order = of_garden, ["temperature", "relative_humidity"]
        if "pm1" in names:
            known, order = of_air, ["pm2_5", "temperature", "relative_humidity"]
        if "laeq_1s" in names:
            known, order = {"laeq_1s": of_seconds["laeq"]}, ["laeq_1s"]
        is_there = all(name in names for name in order)
        out[number] = assemble(number, known if is_there else {}, order if is_there else [], generic)
    return out


def main() -> int:
    """Write or check the modules."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shared", type=Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    wrong = 0
    for number, table in tables(options.shared / "data").items():
        path = ROOT / f"firmware/wire/codec/v2_profile_{number}.py"
        text = module(number, table)
        print(f"profile {number}: {len(table)} bytes")
        if options.check:
            same = path.exists() and path.read_text() == text
            wrong += not same
            print("  the same" if same else f"  {path.name} DIFFERS")
        else:
            path.write_text(text)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
