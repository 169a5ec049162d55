"""What the map can show: a quantity with its classes, or an index. Dated tables of bands are in insight.

A class is a number from 1; its colour stands in meetnet.css as `scale-<scale>-<number>`, and the number or
the words always stand beside the colour.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from gateway.insight.bands import bands_at, judge
from gateway.web.languages import N_, Tongue
from gateway.web.words import quantity


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer. quantities: what it reads; index: "" for a plain quantity. upper: bounds of its classes."""

    name: str
    label: str
    quantities: tuple[str, ...]
    scale: str = ""
    index: str = ""
    upper: tuple[float, ...] = ()
    note: str = ""


SUB_INDEX = N_("sub-index")
ALL = Layer("all", N_("Everything"), ())
LAYERS: tuple[Layer, ...] = (
    ALL,
    Layer(
        "belaqi",
        N_("Air index BelAQI"),
        ("pm2_5", "pm10"),
        "belaqi",
        "belaqi",
        note=N_("Sub-index: these sites measure particles only, not ozone and nitrogen dioxide."),
    ),
    Layer(
        "eaqi",
        N_("Air index of Europe"),
        ("pm2_5", "pm10"),
        "eaqi",
        "eaqi",
        note=N_("Sub-index: these sites measure particles only, not ozone and nitrogen dioxide."),
    ),
    Layer(
        "pm2_5",
        N_("Fine particles PM2.5"),
        ("pm2_5",),
        "belaqi",
        upper=(3.5, 7.5, 10, 15, 20, 35, 50, 60, 75),
    ),
    Layer("pm10", N_("Particles PM10"), ("pm10",), "belaqi", upper=(10, 20, 35, 45, 60, 80, 95, 110, 140)),
    Layer(
        "laeq",
        N_("Noise"),
        ("laeq",),
        "noise",
        upper=(40, 45, 50, 55, 60, 65, 70),
        note=N_("Indicative: this is no class 1 sound level meter."),
    ),
    Layer("filling_level", N_("Waste bins"), ("filling_level",), "fill", upper=(25, 50, 75)),
    Layer("temperature", N_("Temperature"), ("temperature",), "heat", upper=(0, 10, 20, 25, 30)),
    Layer("relative_humidity", N_("Relative humidity"), ("relative_humidity",), "wet", upper=(40, 60, 80)),
)
BY_NAME: Mapping[str, Layer] = {layer.name: layer for layer in LAYERS}

LEVEL_WORDS: Mapping[str, tuple[str, ...]] = {
    "belaqi": (
        N_("excellent"), N_("very good"), N_("good"), N_("fairly good"), N_("moderate"),
        N_("poor"), N_("very poor"), N_("bad"), N_("very bad"), N_("horrible"),
    ),
    "eaqi": (
        N_("good"), N_("fair"), N_("moderate"), N_("poor"), N_("very poor"), N_("extremely poor"),
    ),
    "fill": (
        N_("nearly empty"), N_("a quarter to half full"), N_("half to three quarters full"),
        N_("nearly full"),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Classed:
    """A value of a layer: number and unit as shown, class (0: none), and its words."""

    number: str
    klass: int
    words: str


def classed(layer: Layer, means: Mapping[str, float], at_ms: int, tongue: Tongue) -> Classed | None:
    """Return what a layer shows for the means of a site in an hour; None when it has nothing of it."""
    if layer.index:
        bands = bands_at(layer.index, at_ms)
        verdict = judge(bands, means) if bands else None
        if verdict is None:
            return None
        words = tongue.gettext(LEVEL_WORDS[layer.index][verdict.level - 1])
        if verdict.is_partial:
            words += f" ({tongue.gettext(SUB_INDEX)}, {tongue.gettext(quantity(verdict.decided_by).label)})"
        return Classed(str(verdict.level), verdict.level, words)
    value = means.get(layer.quantities[0])
    if value is None:
        return None
    found = class_of(layer, value)
    words = LEVEL_WORDS.get(layer.scale, ()) if layer.scale == "fill" else ()
    return Classed(
        tongue.number(value, quantity(layer.quantities[0]).decimals),
        found,
        tongue.gettext(words[found - 1]) if words else "",
    )


def class_of(layer: Layer, value: float) -> int:
    """Return the class of a value, from 1."""
    return bisect_left(layer.upper, value) + 1


@dataclass(frozen=True, slots=True)
class LegendRow:
    """One class in the legend."""

    klass: int
    words: str


def legend(layer: Layer, tongue: Tongue) -> list[LegendRow]:
    """Return the classes of a layer with their bounds or names."""
    if layer.index:
        return [
            LegendRow(i, f"{i} {tongue.gettext(word)}") for i, word in enumerate(LEVEL_WORDS[layer.index], 1)
        ]
    if not layer.upper:
        return []
    numbers = [tongue.number(bound, 0 if bound == int(bound) else 1) for bound in layer.upper]
    texts = [
        f"≤ {numbers[0]}",
        *(f"{a}–{b}" for a, b in pairwise(numbers)),
        f"> {numbers[-1]}",
    ]
    return [LegendRow(i, text) for i, text in enumerate(texts, 1)]
