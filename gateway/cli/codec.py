"""`meetnet codec`: what the payload codec makes of a recording, new profiles, and what parity saves."""

from __future__ import annotations

import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from gateway.cli.common import Failure, json_option, print_json, table
from gateway.errors import GatewayError

_SHIPPED = Path(__file__).resolve().parent.parent / "codec_lab" / "profiles"
_COLUMNS_HELP = (
    "Channels in coding order: name:resolution:least:most, separated by commas. "
    "Without it FILE's side file (FILE with .toml instead of .csv), else the profile's own columns."
)


@click.group()
def codec() -> None:
    """Measure and train the payload codec."""


def _columns(text: str | None, file: Path) -> list[Any] | None:
    from gateway.codec_lab.recordings import Column

    if text is not None:
        found: list[Column] = []
        for part in text.split(","):
            pieces = part.split(":")
            try:
                name, resolution, least, most = pieces[0], *map(float, pieces[1:])
                found.append(Column(name, resolution, least, most))
            except ValueError as error:
                raise Failure(
                    f"--columns {part}: write name:resolution:least:most, as in t:0.1:-40:85"
                ) from error
        _check(found)
        return found
    side = file.with_suffix(".toml")
    if not side.exists():
        return None
    try:
        rows = tomllib.loads(side.read_text())["channels"]
        found = [
            Column(str(r["name"]), float(r["resolution"]), float(r["least"]), float(r["most"])) for r in rows
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise Failure(f"{side}: needs [[channels]] with name, resolution, least, most ({error})") from error
    _check(found)
    return found


def _check(columns: list[Any]) -> None:
    for c in columns:
        if c.resolution <= 0 or c.raw_max <= c.raw_min or c.raw_max - c.raw_min > 65535:
            raise Failure(f"column {c.name}: least..most must be 1 to 65535 steps of the resolution")


def _profile(name: str | None, columns: list[Any] | None) -> Any:
    """Return the profile of a name or path, or the shipped one with these columns, or None."""
    from gateway.codec_lab.profile import Profile

    if name is not None:
        path = Path(name)
        if not path.exists():
            path = _SHIPPED / f"{name}.json"
        if not path.exists():
            known = ", ".join(sorted(p.stem for p in _SHIPPED.glob("*.json")))
            raise Failure(f"--profile {name}: no such file, and not one of {known}")
        return Profile.load(path)
    for path in sorted(_SHIPPED.glob("*.json")):
        profile = Profile.load(path)
        if columns is not None and list(profile.columns) == columns:
            return profile
    return None


@codec.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--profile", help="A profile's file or name; without it one that has the same columns.")
@click.option(
    "--frame", default=51, show_default=True, type=click.IntRange(11, 242), help="Bytes of a frame."
)
@click.option("--columns", help=_COLUMNS_HELP)
@click.option("--mean", "mean_s", type=click.IntRange(1), help="Take means over so many seconds first.")
@click.option(
    "--from",
    "part",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 0.99),
    help="Measure from this part of each run on; what lies before gives deflate its dictionary.",
)
@click.option("--node", help="Only this node.")
@click.option(
    "--frames", default=400, show_default=True, type=click.IntRange(1), help="About the most frames."
)
@json_option
def measure(
    file: Path,
    profile: str | None,
    frame: int,
    columns: str | None,
    mean_s: int | None,
    part: float,
    node: str | None,
    frames: int,
    as_json: bool,
) -> None:
    """Encode FILE (CSV: time, channels, perhaps node) in self-contained frames, beside other codecs.

    Every frame is decoded again and compared; a difference is an error.

    \b
    Example:
      meetnet codec measure air/train.csv --profile toco5 --mean 300 --from 0.8

    Exit codes: 0 done, 1 FILE or profile cannot be used or a frame came back changed.
    """
    from gateway.codec_lab import baselines, recordings
    from gateway.codec_lab import measure as lab

    wanted = _columns(columns, file)
    found = _profile(profile, wanted)
    if wanted is None:
        if found is None:
            raise Failure("name the channels: --columns, a side file, or --profile")
        wanted = list(found.columns)
    if found is not None and [(c.raw_min, c.raw_max) for c in found.columns] != [
        (c.raw_min, c.raw_max) for c in wanted
    ]:
        raise Failure("the profile has other channels, resolutions or ranges than FILE's columns")
    runs, interval_s = recordings.load(file, wanted, mean_s=mean_s, node=node)
    before, runs = recordings.split(runs, part)
    others = baselines.all_of(wanted, [run.values for run in before if part > 0])
    try:
        result = lab.measure(None if found is None else found.parse(), runs, frame, others, frames)
    except lab.MismatchError as error:
        raise Failure(str(error)) from error
    report: dict[str, Any] = {
        "file": file.name,
        "interval_s": interval_s,
        "frame_bytes": frame,
        "channels": [c.name for c in wanted],
        "profile": None if found is None else found.name,
        "profile_table_bytes": None if found is None else len(found.table),
        "frames": result.figures.frames or None,
        "records_per_frame": {**result.baselines},
        "baseline_frame_starts": "the same",
    }
    if found is not None:
        figures = asdict(result.figures)
        report["records_per_frame"]["meetnet v2"] = result.figures.records
        if result.baselines.get("rice"):
            report["over_rice"] = round(result.figures.records / result.baselines["rice"], 3)
        report["readings_per_frame"] = result.figures.records * len(wanted)
        report["bits_per_reading"] = figures["bits_reading"]
        report["bytes_first_record"] = figures["bytes_first"]
        report["bytes_later_record"] = figures["bytes_later"]
        report["bytes_12_records"] = lab.batch(found.parse(), runs, 12)
    if as_json:
        print_json(report)
        return
    click.echo(f"{file.name}: {interval_s} s, {len(wanted)} channels, frames of {frame} bytes")
    rows = sorted(report["records_per_frame"].items(), key=lambda row: row[1])
    table(
        [(name, f"{n:.2f}", f"{n * len(wanted):.1f}", f"{frame / n:.2f}" if n else "-") for name, n in rows],
        ("codec", "records", "readings", "bytes a record"),
    )
    if found is not None:
        click.echo(
            f"{found.name}: {result.figures.frames} frames, all decoded and equal; "
            f"{result.figures.bits_reading:.2f} bits a reading; a frame of one record takes "
            f"{result.figures.bytes_first:.1f} bytes, each later record {result.figures.bytes_later:.2f}, "
            f"12 records {report['bytes_12_records']:.1f}; {report.get('over_rice', 0):.3f} times as many "
            "records as per-frame Rice"
        )


@codec.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The profile's file."
)
@click.option("--columns", required=True, help=_COLUMNS_HELP)
@click.option("--mean", "mean_s", type=click.IntRange(1), help="Take means over so many seconds first.")
@click.option("--until", "part", default=1.0, show_default=True, help="Train on this first part of each run.")
@click.option("--without", multiple=True, help="Leave a node out; may be repeated.")
@click.option("--seed", default=0, show_default=True)
@click.option("--steps", default=3000, show_default=True, type=click.IntRange(100))
@json_option
def train(
    file: Path,
    out: Path,
    columns: str,
    mean_s: int | None,
    part: float,
    without: tuple[str, ...],
    seed: int,
    steps: int,
    as_json: bool,
) -> None:
    """Train a profile on FILE; the same recording and seed give the same profile.

    \b
    Example:
      meetnet codec train air/train.csv --mean 300 --out air.json \\
        --columns pm25:0.1:0:1000,t:0.1:-40:85,rh:0.1:0:100

    Exit codes: 0 done, 1 FILE cannot be used.
    """
    from gateway.codec_lab import build, recordings
    from gateway.codec_lab.train import Schedule

    wanted = _columns(columns, file)
    assert wanted is not None
    runs, interval_s = recordings.load(file, wanted, mean_s=mean_s, without=without)
    runs, _ = recordings.split(runs, part)
    profile = build.build(
        out.stem,
        [runs],
        wanted,
        interval_s,
        Schedule(steps=steps, seed=seed),
        lambda text: click.echo(text, err=True),
        f"{file.parent.name}/{file.name}, first {part:.0%}",
    )
    try:
        profile.save(out)
    except OSError as error:
        raise GatewayError(f"--out {out}: cannot be written ({error})") from error
    if as_json:
        made = {"profile": str(out), "table_bytes": len(profile.table), "channels": len(wanted)}
        print_json({**made, "interval_s": interval_s})
        return
    click.echo(f"{out}: {len(profile.table)} bytes of tables, {len(wanted)} channels, every {interval_s} s")


@codec.command()
@click.option("--loss", "share", default=0.3, show_default=True, type=click.FloatRange(0, 0.9))
@click.option(
    "--burst", default=1.0, show_default=True, type=click.FloatRange(1), help="Mean length of a burst."
)
@click.option(
    "--rate",
    default="0.64",
    show_default=True,
    type=click.Choice(["0.25", "0.5", "0.64", "1.5"]),
    help="Parity per byte of data; a node's parity_percent as a fraction.",
)
@click.option("--sequences", default=6, show_default=True, type=click.IntRange(1))
@click.option("--frames", default=500, show_default=True, type=click.IntRange(50), help="Of a sequence.")
@click.option("--seed", default=0, show_default=True)
@json_option
def loss(
    share: float, burst: float, rate: str, sequences: int, frames: int, seed: int, as_json: bool
) -> None:
    """Send protected frames over a lossy channel; say how much arrives, when, at what air time.

    \b
    Example:
      meetnet codec loss --loss 0.3 --burst 3

    Exit codes: 0 done, 1 a frame was brought back with other bytes.
    """
    from gateway.codec_lab import loss as lab
    from wire.codec import parity

    index = parity.rate_of(round(100 * float(rate)))
    _, n_data, width, n_parity = parity.RATES[index]
    found = lab.simulate(index, share, burst, sequences, frames, seed)
    whole = parity.HEAD + (n_data + n_parity) * width
    data = n_data * width
    air = {
        f"sf{sf}": {
            "protected_s": round(lab.time_on_air_s(whole, sf), 4),
            "over_unprotected": round(lab.time_on_air_s(whole, sf) / lab.time_on_air_s(data, sf), 3),
            "lpp_record_by_record_over_protected": round(
                12 * lab.time_on_air_s(19, sf) / lab.time_on_air_s(whole, sf), 2
            ),
        }
        for sf in (7, 8, 9, 10, 11, 12)
    }
    report: dict[str, Any] = {
        "loss": share,
        "burst": burst,
        "rate": float(rate),
        "window_frames": parity.WINDOW,
        "frame_bytes": {"head": parity.HEAD, "data": data, "parity": n_parity * width, "whole": whole},
        **{name: round(value, 5) for name, value in asdict(found).items()},
        "air_time": air,
    }
    if as_json:
        print_json(report)
    else:
        click.echo(
            f"{found.frames} frames of {whole} bytes ({data} data, {n_parity * width} parity): "
            f"{100 * found.received:.2f} % received, {100 * found.recovered:.2f} % with those brought back, "
            f"{found.delay_mean:.1f} frames later in the mean, {found.delay_p95:.0f} at p95; "
            f"{found.wrong} wrong"
        )
        table(
            [(name.upper(), *row.values()) for name, row in air.items()],
            ("", "s a frame", "over unprotected", "LPP, 12 single records, over protected"),
        )
    if found.wrong:
        raise Failure(f"{found.wrong} frames came back with other bytes")


@codec.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--columns", required=True, help=_COLUMNS_HELP + " a|b: whichever of two names a file has.")
@click.option("--mean", "mean_s", type=click.IntRange(1), help="Take means over so many seconds first.")
@click.option(
    "--frame", default=51, show_default=True, type=click.IntRange(11, 242), help="Bytes of a frame."
)
@click.option("--frames", default=100, show_default=True, type=click.IntRange(1), help="About the most.")
@click.option("--steps", default=3000, show_default=True, type=click.IntRange(100))
@json_option
def transfer(
    files: tuple[Path, ...],
    columns: str,
    mean_s: int | None,
    frame: int,
    frames: int,
    steps: int,
    as_json: bool,
) -> None:
    """Say what profiles are worth where they were not trained.

    Several FILES (CSV): each is a place. A single one: every other of its nodes is one place, the rest the
    other. Trains on the first four fifths of each place and of all places together, and measures each profile
    in the last fifth of every place.

    \b
    Example:
      meetnet codec transfer toco/train.csv pa10/train.csv --mean 600 \\
        --columns 'pm25|pm25a:0.1:0:1000,t:0.1:-40:85,rh:0.1:0:100'

    Exit codes: 0 done, 1 a file cannot be used.
    """
    from gateway.codec_lab import transfer as lab
    from gateway.codec_lab.train import Schedule

    first, *others = files
    wanted = _columns(columns, first)
    assert wanted is not None
    if others:
        places, interval_s = lab.places_of_files([first, *others], wanted, mean_s)
    else:
        places, interval_s = lab.places_of_nodes(first, wanted, mean_s)
    rows = lab.compare(
        places,
        wanted,
        interval_s,
        Schedule(steps=steps),
        frame,
        frames,
        lambda text: click.echo(text, err=True),
    )
    if as_json:
        print_json({"frame_bytes": frame, "interval_s": interval_s, "places": [asdict(row) for row in rows]})
        return
    for row in rows:
        click.echo(f"At {row.place}, records in a frame of {frame} bytes (per-frame Rice {row.rice:.2f}):")
        own = row.by_profile[row.place]
        table(
            [(name, f"{n:.2f}", f"{100 * (n / own - 1):+.1f} %") for name, n in row.by_profile.items()],
            ("trained on", "records", "against its own"),
        )
