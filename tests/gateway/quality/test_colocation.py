"""Co-locations: orthogonal regression found again by search, the guide's uncertainty, a sensor made known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from scipy.optimize import minimize

from gateway.cli.main import main
from gateway.errors import QualityError
from gateway.quality import colocation
from gateway.quality.pairs import Columns, read
from gateway.registry import Device, Registry
from gateway.sheet import parse

HOUR_MS = 3_600_000
EUI = "70b3d57ed0000001"


def a_season(
    days: int = 40, seed: int = 7, noise: float = 1.0
) -> tuple[list[int], np.ndarray, np.ndarray, np.ndarray]:
    """Return hours, a reference, the humidity, and raw = (reference - 4 + 0.08 rh) / 0.6 + noise."""
    rng = np.random.default_rng(seed)
    hours = days * 24
    slow = np.convolve(rng.normal(0, 1, hours + 47), np.ones(48) / 48, "valid")
    reference = np.exp(2.2 + 2.2 * slow + 0.25 * rng.normal(0, 1, hours))
    rh = np.clip(75 + 15 * np.sin(np.arange(hours) * 2 * np.pi / 24) + rng.normal(0, 6, hours), 20, 99)
    raw = (reference - 4 + 0.08 * rh) / 0.6 + rng.normal(0, noise, hours)
    return [1_700_000_000_000 + hour * HOUR_MS for hour in range(hours)], reference, rh, raw


@pytest.mark.parametrize("seed", range(5))
def test_orthogonal_regression_has_the_smallest_perpendicular_distances(seed: int) -> None:
    """Found again by SciPy's simplex search, which knows nothing of the closed form."""
    _, reference, _, raw = a_season(seed=seed, noise=4.0)

    def distances(line: np.ndarray) -> float:
        return float(np.sum((raw - line[1] - line[0] * reference) ** 2) / (1 + line[0] ** 2))

    judge = minimize(distances, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-8})
    assert colocation.orthogonal(reference, raw) == pytest.approx(tuple(judge.x), rel=1e-4, abs=1e-4)


def test_uncertainty_of_a_sensor_with_a_known_error() -> None:
    """Bias 10 %, an error of 2 in both: what scatters about the line is 4 + 1.1² * 4, the bias at 25 is 2.5.

    With equal errors in both the orthogonal line is the true one. The guide's sum: U = 2 sqrt(8.84 + 2.5²).
    """
    rng = np.random.default_rng(1)
    true = rng.uniform(5, 60, 400_000)
    reference, sensor = true + rng.normal(0, 2, true.size), 1.1 * true + rng.normal(0, 2, true.size)
    found = colocation.agreement(reference, sensor, 25, 0.0)
    assert found.uncertainty_percent == pytest.approx(100 * 2 * np.sqrt(8.84 + 6.25) / 25, rel=0.01)
    assert (found.slope, found.bias) == (pytest.approx(1.1, rel=2e-3), pytest.approx(3.25, rel=0.01))


def test_the_uncertainty_of_the_reference_is_taken_off_and_never_below_the_bias() -> None:
    rng = np.random.default_rng(2)
    reference = rng.uniform(5, 60, 50_000)
    sensor = reference + rng.normal(0, 2, reference.size)
    plain = colocation.agreement(reference, sensor, 25, 0.0).uncertainty
    assert colocation.agreement(reference, sensor, 25, 1.2).uncertainty == pytest.approx(
        2 * np.sqrt((plain / 2) ** 2 - 1.44), rel=0.01
    )
    assert colocation.agreement(reference, sensor, 25, 50.0).uncertainty < 0.2


def test_a_known_sensor_is_found_out() -> None:
    times, reference, rh, raw = a_season()
    found = colocation.report("pm2_5", times, raw, reference, rh)
    assert found.fit.slope == pytest.approx(0.6, rel=0.03)
    assert found.fit.per_rh == pytest.approx(-0.08, rel=0.1)
    assert found.fit.intercept == pytest.approx(4, rel=0.1)
    assert found.corrected.rmse == pytest.approx(0.6, rel=0.1)  # the noise of 1 after the slope
    assert found.raw.uncertainty_percent > 50 > found.corrected.uncertainty_percent
    assert found.objectives == {"indicative measurement": True, "objective estimation": True}


def test_what_is_judged_was_not_seen_by_the_fit() -> None:
    """A sensor that follows nothing: a fit to all days would look better than the reference's own spread."""
    times, reference, rh, _ = a_season(days=10)
    raw = np.random.default_rng(3).normal(10, 3, reference.size)
    found = colocation.report("pm2_5", times, raw, reference, rh)
    assert found.corrected.rmse >= 0.98 * float(np.std(reference))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"quantity": "laeq"}, "quantity"),
        ({"raw": [1.0] * 240}, "raw"),
        ({"reference": [1.0] * 240}, "reference"),
        ({"times_ms": [1_700_000_000_000] * 240}, "time"),
    ],
)
def test_what_cannot_be_judged_is_refused_by_name(change: dict[str, object], field: str) -> None:
    times, reference, rh, raw = a_season(days=10)
    values = {"quantity": "pm2_5", "times_ms": times, "raw": raw, "reference": reference, "rh": rh} | change
    with pytest.raises(QualityError) as refused:
        colocation.report(**values)  # pyright: ignore[reportArgumentType]
    assert refused.value.field == field


def test_too_few_pairs() -> None:
    with pytest.raises(QualityError, match="at least 30"):
        colocation.report("pm2_5", [0, 1], [1, 2], [1, 2])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'time'; the file has no header"),
        ("time,raw\n", "no column 'reference'; the file has time, raw"),
        ("time,raw,reference\nyesterday,1,2\n", "line 2, time: 'yesterday' is no time"),
        ('time,raw,reference\n1,"1,5",2\n', "line 2, raw: '1,5' is no number; use a decimal point"),
        ("time,raw,reference\n1,1,5,2\n", "line 2: the row has not as many fields as the header (4, not 3)"),
        ("time,raw,reference\n1,1,nan\n", "line 2, reference: 'nan' is no number"),
        ("time,raw,reference\n99999999999999999999,1,2\n", "line 2, time"),
    ],
)
def test_a_bad_file_is_refused_by_line_and_column(text: str, message: str) -> None:
    with pytest.raises(QualityError) as refused:
        read(parse("pairs.csv", text.encode()), Columns())
    assert message in str(refused.value)


def test_hours_are_means_and_empty_cells_are_left_out() -> None:
    lines = [
        "time,raw,reference,rh",
        "2026-03-01T12:10:00Z,1,5,60",
        "2026-03-01T13:50:00+01:00,3,7,80",
        "1,,2,3",
    ]
    found = read(parse("pairs.csv", "\n".join(lines).encode()), Columns())
    assert (found.raw, found.reference, found.humidity, found.left_out) == ([2.0], [6.0], [70.0], 1)


def run(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["quality", *words, "--data", str(folder / "gateway")])


def test_from_a_file_to_a_correction_on_record(tmp_path: Path) -> None:
    times, reference, rh, raw = a_season()
    rows = zip(times, raw, reference, rh, strict=True)
    lines = [f"{at // 1000},{x:.2f},{y:.2f},{h:.1f}" for at, x, y, h in rows]
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("time,raw,reference,rh\n" + "\n".join(lines))
    registry = Registry(tmp_path / "gateway")
    registry.put_device(Device(EUI, "air", "lorawan", "70b3d57ed0000000"), app_key=bytes(16))
    flemish = pairs.read_text().replace(",", ";").replace(".", ",")
    for name, encoding in (("excel.csv", "cp1252"), ("unicode.txt", "utf-16")):
        (tmp_path / name).write_text(flemish, encoding=encoding)
        assert (
            run(tmp_path, "colocate", str(tmp_path / name)).output
            == run(tmp_path, "colocate", str(pairs)).output
        )
    done = run(tmp_path, "colocate", str(pairs), "--save", EUI, "--from", "2026-03-01")
    assert done.exit_code == 0, done.output
    assert "meets the data-quality objective of indicative measurement, with these data" in done.output
    assert "certif" not in done.output.lower()  # nothing here is
    (row,) = registry.corrections(EUI)
    assert (row.method, row.version) == ("linear_rh", 1)
    assert row.parameters["slope"] == pytest.approx(0.6, rel=0.03)
    start = row.from_ms
    assert registry.correction(EUI, "pm2_5", start) == row
    assert registry.correction(EUI, "pm2_5", start - 1) is None
    told = run(tmp_path, "correct", EUI, "pm2_5", "epa_extended", "--from", "2026-04-01", "--json")
    assert json.loads(told.output)["changed"] is True
    assert registry.correction(EUI, "pm2_5", start) != row  # it ends now
    assert [(r.method, r.to_ms) for r in registry.corrections(EUI)] == [
        ("linear_rh", 1_775_001_600_000), ("epa_extended", None)]  # fmt: skip
    assert run(tmp_path, "end", EUI, "pm2_5", "--at", "2026-05-01").exit_code == 0
    assert registry.correction(EUI, "pm2_5", 1_777_593_600_000) is None
    assert "1 Mar" not in run(tmp_path, "corrections").output
    registry.close()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("pm2_5", "magic"), "method: 'magic' cannot be put on record; allowed: none, linear_rh"),
        (("laeq", "linear", "slope=1", "intercept=0"), "quantity: linear does not suit 'laeq'"),
        (("pm2_5", "linear_rh", "slope=1"), "intercept: linear_rh needs it, -1000 to 1000"),
        (("pm2_5", "linear_rh", "slope=0", "intercept=0"), "slope: 0 is not within 0.01 to 100"),
        (("pm2_5", "linear_rh", "slope=1", "intercept=0", "gain=2"), "gain: linear_rh takes slope, per_rh"),
        (("pm2_5", "linear_rh", "slope"), "'slope': give NAME=VALUE with a number"),
        (("pm2_5", "none"), "is not registered"),
    ],
)
def test_a_correction_that_cannot_be_is_refused_by_name(
    tmp_path: Path, words: tuple[str, ...], reason: str
) -> None:
    refused = run(tmp_path, "correct", EUI, *words)
    assert refused.exit_code == 1
    assert reason in refused.output
