"""What a noise node heard beside its street becomes flags of the levels of the same record."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model import Decoded, Reading
from gateway.quality import Judge


@dataclass(frozen=True)
class _Site:
    id: str = "s"
    empty_mm: float | None = None
    full_mm: float | None = None
    rain_mm_per_tip: float | None = None


def flags(notes: float) -> dict[str, tuple[str, ...]]:
    """Judge one record with these notes."""
    readings = (
        Reading("laeq", "dB(A)", 60.0, "ok"),
        Reading("lzeq", "dB", 70.0, "ok"),
        Reading("sound_notes", "1", notes, "ok"),
        Reading("battery", "mV", 4000.0, "ok"),
    )
    decoded = Decoded("0" * 16, 1, 1_790_000_000_000, "network", 1_790_000_001_000, readings)
    return {o.quantity: o.flags for o in Judge(lambda _: []).observations(decoded, _Site())}


def test_wind_and_rain_flag_the_levels_and_nothing_else() -> None:
    assert flags(1) == {"laeq": ("wind",), "lzeq": ("wind",), "sound_notes": (), "battery": ()}
    assert flags(6)["laeq"] == ("rain", "clock_drift")


def test_a_record_without_notes_has_no_flags() -> None:
    assert set(flags(0).values()) == {()}
