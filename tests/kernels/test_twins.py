"""Every kernel against its plain twin, bit for bit: on the unix port, and as code of 32-bit chips."""

from __future__ import annotations

from array import array

import pytest

from kernels import noise_ref, octaves_ref
from kernels.noise import FAST, SLOW, coefficients
from kernels.octave_coefficients import BANDS
from tests.bench.engine import Engine, OctaveEngine
from tests.dual import run_on_both
from tests.kernels.signals import raw, stereo, words, worst_cases

MS = 24
DESIGNS = [(48000, ""), (32000, ""), (48000, "ics43434")]
CASES = sorted(worst_cases(48 * MS))
CORES = [("rv32imc", True), ("rv32imc", False), ("armv6m", False), ("armv7em", False)]


@pytest.fixture(scope="module", params=CORES, ids=lambda c: f"{c[0]}-{'ours' if c[1] else 'mpy-cross'}")
def core(request: pytest.FixtureRequest) -> tuple[str, bool]:
    return request.param


@pytest.mark.mpy
@pytest.mark.parametrize(("rate_hz", "response"), DESIGNS)
@pytest.mark.parametrize("case", CASES)
def test_the_unix_port_equals_the_twin(case: str, rate_hz: int, response: str) -> None:
    signals = worst_cases(rate_hz // 1000 * MS)
    frames = stereo(signals["noise at 1/8"], signals[case])
    octaves = case.startswith("noise") and rate_hz == 48000 and not response
    data = {"frames": frames.hex(), "n_ms": MS, "rate_hz": rate_hz, "response": response, "octaves": octaves}
    result = run_on_both("noise_kernels", data)
    assert any(result["energies"]) or case in ("silence", "all ones", "positive full scale")


@pytest.mark.parametrize(("rate_hz", "response"), DESIGNS)
def test_machine_code_of_the_meter_equals_the_twin(
    core: tuple[str, bool], rate_hz: int, response: str
) -> None:
    architecture, is_ours = core
    engine = Engine(rate_hz, architecture, is_ours=is_ours, response=response)
    c = coefficients(rate_hz, response)
    for case, samples in worst_cases(rate_hz // 1000 * MS).items():
        frames = stereo(samples)
        for with_c in (False, True):
            energies, state = words([0] * (2 * MS)), words([0] * 12)
            expected, expected_state = [0] * (2 * MS), [0] * 12
            for _ in range(2):
                engine.weigh(frames, 0, MS, energies, state, with_c)
                noise_ref.weigh_ref(c, samples.tolist(), expected, expected_state, MS, with_c)
            assert [e & 0xFFFFFFFF for e in energies] == expected, case
            assert list(state) == expected_state, case
        survey = words([0, 2**31 - 1, -(2**31), 0, 0, 0, 0, 0])
        expected_survey = list(survey)
        engine.survey(frames, 0, MS, survey)
        noise_ref.survey_ref(c, samples.tolist(), expected_survey, MS)
        assert list(survey) == expected_survey, case
        inspect = words([0, -1, 5, 0, 0, 0])
        expected_inspect = [0, 0xFFFFFFFF, 5, 0, 0, 0]
        engine.inspect(frames, 0, 500, inspect)
        noise_ref.inspect_ref(samples.tolist()[:500], expected_inspect)
        assert [v & 0xFFFFFFFF for v in inspect] == expected_inspect, case
        for shifts in (FAST, SLOW):
            ctx = words([0, 0, 0, 0, 2**30 - 1, 30, 0, 0, 0, 0])
            expected_ctx = list(ctx)
            engine.detect(energies, ctx, MS, shifts)
            noise_ref.detect_ref(expected, expected_ctx, MS, *shifts)
            assert list(ctx) == expected_ctx, case


def test_machine_code_of_the_octaves_equals_the_twin(core: tuple[str, bool]) -> None:
    architecture, is_ours = core
    engine = OctaveEngine(architecture, is_ours=is_ours)
    for case, samples in worst_cases(480).items():
        out = words([0] * 480)
        engine.unpack(stereo(samples), 0, 0, out, 480)
        expected = octaves_ref.unpack_ref(samples.tolist())
        assert list(out) == expected, case
        shared, decimated, ctx = words([0] * 480), words([0] * 240), words([0] * 11)
        state = [0] * 11
        engine.split(out, shared, decimated, 0, ctx, 480)
        expected_shared, expected_decimated = octaves_ref.split_ref(expected, state)
        assert (list(shared), list(decimated), list(ctx)) == (expected_shared, expected_decimated, state), (
            case
        )
        for _, name, values, shifts, _ in BANDS[::5]:
            band = words([0] * 6 + list(values) + list(shifts) + [0] * 5)
            expected_band = list(band)
            for _ in range(2):
                engine.band(shared, band, 480)
                octaves_ref.band_ref(expected_shared, expected_band)
            assert list(band) == expected_band, (case, name)


def test_a_kernel_calls_the_runtime_for_its_arguments_alone() -> None:
    """Anything else in the loop (an object, a global) would cost and would not be what was counted."""
    for architecture, is_ours in CORES:
        engine = Engine(48000, architecture, is_ours=is_ours, count=True)
        engine.weigh(
            stereo(raw(worst_cases(48)["noise at 1/8"] / 2**31)), 0, 1, words([0, 0]), words([0] * 12), True
        )
        assert engine._cores["weigh_ac"].runtime_calls == 6
        engine.detect(array("i", [1, 0]), words([0, 0, 0, 0, 1, 30, 0, 0, 0, 0]), 1, FAST)
        assert engine._cores["detect"].runtime_calls == 8
