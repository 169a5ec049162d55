"""What a profile is worth elsewhere: trained on one recording, used on the later part of another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.codec_lab import baselines, measure, recordings
from gateway.codec_lab.build import build
from gateway.codec_lab.profile import Profile
from gateway.codec_lab.recordings import Column, RecordingError, Run
from gateway.codec_lab.train import Schedule

_PART = 0.8  # of each run is trained on, the rest is measured


@dataclass(frozen=True, slots=True)
class Place:
    """A recording, or some nodes of one: what may be trained on, what is measured."""

    name: str
    before: list[Run]
    after: list[Run]


@dataclass(frozen=True, slots=True)
class Row:
    """Records per frame at one place: by profile (the places it was trained on), and of plain Rice codes."""

    place: str
    by_profile: dict[str, float]
    rice: float


def columns_of(path: Path, wanted: list[Column]) -> list[Column]:
    """Return the columns as a file names them: "pm25|pm25a" stands for the first that is there."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            head = file.readline().strip().split(",")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f"{path}: cannot be read ({error})") from error
    found: list[Column] = []
    for column in wanted:
        names = column.name.split("|")
        found.append(replace(column, name=next((n for n in names if n in head), names[0])))
    return found


def places_of_files(files: list[Path], wanted: list[Column], mean_s: int | None) -> tuple[list[Place], int]:
    """Return a place a file, and their interval in seconds."""
    places: list[Place] = []
    intervals: set[int] = set()
    for path in files:
        runs, interval_s = recordings.load(path, columns_of(path, wanted), mean_s=mean_s)
        places.append(Place(path.parent.name or path.stem, *recordings.split(runs, _PART)))
        intervals.add(interval_s)
    if len(intervals) > 1:
        raise RecordingError(f"the recordings have intervals of {sorted(intervals)} s: give --mean")
    return places, intervals.pop()


def places_of_nodes(path: Path, wanted: list[Column], mean_s: int | None) -> tuple[list[Place], int]:
    """Return two places: every other node of a file, and the rest."""
    runs, interval_s = recordings.load(path, columns_of(path, wanted), mean_s=mean_s)
    nodes = sorted({run.node for run in runs})
    if len(nodes) < 2:
        raise RecordingError(f"{path}: a single node; devices that were not trained on need another")
    halves = [[run for run in runs if nodes.index(run.node) % 2 == k] for k in (0, 1)]
    names = [", ".join(nodes[k::2]) for k in (0, 1)]
    return [
        Place(name, *recordings.split(half, _PART)) for name, half in zip(names, halves, strict=True)
    ], interval_s


def compare(
    places: list[Place],
    columns: list[Column],
    interval_s: int,
    schedule: Schedule,
    frame: int,
    frames: int,
    say: Callable[[str], None],
) -> list[Row]:
    """Train on each place alone and on all together; measure every profile at every place."""
    profiles: dict[str, Profile] = {}
    for place in places:
        say(f"training on {place.name}")
        profiles[place.name] = build(place.name, [place.before], columns, interval_s, schedule)
    say("training on all of them")
    profiles["all"] = build("all", [place.before for place in places], columns, interval_s, schedule)
    rows: list[Row] = []
    for place in places:
        by_profile: dict[str, float] = {}
        rice = 0.0
        for name, profile in profiles.items():
            say(f"measuring at {place.name} what was trained on {name}")
            others = {"rice": baselines.all_of(columns, [])["rice"]}
            found = measure.measure(profile.parse(), place.after, frame, others, frames)
            by_profile[name] = found.figures.records
            rice = found.baselines["rice"]
        rows.append(Row(place.name, by_profile, rice))
    return rows
