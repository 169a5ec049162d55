"""Which correction a value gets: the device's own before the default, raw always beside it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.model import Decoded, Observation, Reading
from gateway.publish.ldes.descriptions import PROCEDURES
from gateway.quality import ASSIGNABLE, DEFAULTS, METHODS, Judge, particulate

from ..house import AIR, T0_MS, a_site

SITE = a_site("tuin-1", "air")


def judged(
    corrections: dict[str, Any] | None = None, states: dict[str, str] | None = None, **values: float
) -> dict[str, Observation]:
    readings = tuple(
        Reading(name, "?", value, (states or {}).get(name, "ok")) for name, value in values.items()
    )
    judge = Judge(lambda _: (), lambda _, quantity, __: (corrections or {}).get(quantity))
    found = judge.observations(Decoded(AIR, 1, T0_MS, "network", T0_MS, readings), SITE)
    return {observation.quantity: observation for observation in found}


def own(method: str, version: int = 1, **parameters: float) -> Any:
    return SimpleNamespace(method=method, version=version, parameters=parameters)


def test_damp_dust_is_dried_and_its_raw_value_kept() -> None:
    found = judged(pm2_5=20.0, pm10=30.0, relative_humidity=80.0)
    fine = particulate.growth(0.22, 80)
    coarse = particulate.growth(0.09, 80)
    assert found["pm2_5"].value == pytest.approx(20 / fine, abs=0.005)
    assert found["pm10"].value == pytest.approx(20 / fine + 10 / coarse, abs=0.005)
    assert (found["pm2_5"].raw_value, found["pm10"].raw_value) == (20.0, 30.0)
    assert (found["pm2_5"].method, found["pm2_5"].method_version) == ("kappa_koehler", 1)


@pytest.mark.parametrize(
    ("states", "humidity"), [({"relative_humidity": "degraded"}, 80.0), ({}, 101.0), ({}, None)]
)
def test_without_a_good_humidity_nothing_is_corrected(states: dict[str, str], humidity: float | None) -> None:
    values = {"pm2_5": 20.0} | ({} if humidity is None else {"relative_humidity": humidity})
    found = judged(states=states, **values)["pm2_5"]
    assert (found.value, found.method, found.method_version) == (20.0, "none", 0)


def test_fog_is_named() -> None:
    assert "fog" in judged(pm2_5=20.0, relative_humidity=95.0)["pm2_5"].flags
    assert "fog" not in judged(pm2_5=20.0, relative_humidity=94.9)["pm2_5"].flags
    assert "fog" not in judged(pm2_5=20.0, relative_humidity=97.0)["relative_humidity"].flags


def test_a_correction_on_record_goes_before_the_default() -> None:
    row = own("linear_rh", slope=0.524, per_rh=-0.0862, intercept=5.75)
    found = judged({"pm2_5": row}, pm2_5=20.0, relative_humidity=85.0)["pm2_5"]
    assert (found.value, found.method) == (pytest.approx(8.90, abs=0.005), "linear_rh")
    assert judged({"pm2_5": own("none", 0)}, pm2_5=20.0, relative_humidity=85.0)["pm2_5"].value == 20.0


def test_a_linear_correction_of_dust_without_humidity_needs_none() -> None:
    row = own("linear_rh", slope=2.0, intercept=-1.0)
    assert judged({"pm2_5": row}, pm2_5=20.0)["pm2_5"].value == 39.0


def test_temperatures_below_zero_stay_below_zero() -> None:
    row = own("linear", slope=1.0, intercept=-0.5)
    assert judged({"temperature": row}, temperature=-3.0)["temperature"].value == -3.5


def test_a_method_that_nobody_knows_leaves_the_value_alone() -> None:
    found = judged({"pm2_5": own("kappa_koehler", 99)}, pm2_5=20.0, relative_humidity=50.0)["pm2_5"]
    assert (found.value, found.method) == (20.0, "none")


def test_every_method_is_described_to_the_world() -> None:
    names = {d.method.name for d in DEFAULTS} | {m.name for m in METHODS} | {a.name for a in ASSIGNABLE}
    assert names == set(PROCEDURES)
