"""What the noise meter costs: executed instructions, counted in an emulator, as JSON.

    python -m tests.bench.cycles

The machine code is what ships: compiled by tools/viper_rv32.py into the `.mpy`. Beside it stand the same
sources as mpy-cross emits them (rv32imc and ARM), and the same algorithm in C where the compiler is there.
Instructions do not depend on the host. Cycles and shares are a model: a share at one cycle an instruction,
and one at the in-order model's cycles per instruction (see CPI). No chip was measured.
"""

from __future__ import annotations

import json
import os
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware")]

from kernels.levels import SoundLevels  # noqa: E402
from kernels.noise import FAST, coefficients  # noqa: E402
from kernels.octave_coefficients import BANDS  # noqa: E402
from kernels.octaves import ThirdOctaves  # noqa: E402
from tests.bench import noise_c  # noqa: E402
from tests.bench.emulator import Core  # noqa: E402
from tests.bench.engine import Engine, OctaveEngine, kernel_file  # noqa: E402
from tools import mpy  # noqa: E402

RATE = 48000
MS = 125  # an emulated stretch: the start of a call is below 0.1 instructions a sample
C3_HZ = 160_000_000
ESP32_HZ = 240_000_000
# Cycles an instruction of a simple in-order core: load + 1 when its value is needed next, taken jump + 2.
# Taken from the reference's model of the same kind of code; for Xtensa a guess of the same reference.
CPI_C3 = 1.17
CPI_ESP32 = 1.2
XTENSA_PER_RISCV = 1.155  # reference, table of code shapes: xtensawin over rv32imc, both from mpy-cross


def street(level_db: float = 70.0) -> bytes:
    """Return a stretch of real street sound as stereo frames, or pink noise where the recording is absent."""
    shared = Path(os.environ.get("MEETNET_SHARED", ROOT.parent / "shared"))
    path = shared / "data/audio/street_scene.wav"
    n = RATE * MS // 1000
    if path.exists():
        with wave.open(str(path)) as file:
            pcm = np.frombuffer(file.readframes(file.getframerate()), "<i2").astype(float)[
                :: file.getnchannels()
            ]
        x = np.interp(np.arange(n) * len(pcm) / RATE, np.arange(len(pcm)), pcm)
    else:
        spectrum = np.fft.rfft(np.random.default_rng(1).normal(size=n))
        x = np.fft.irfft(spectrum / np.sqrt(np.maximum(1, np.arange(spectrum.size))), n)
    x -= x.mean()
    x *= 10 ** ((level_db - 120) / 20) * np.sqrt(0.5) / np.sqrt(np.mean(x**2))
    frames = np.zeros((n, 2), "<i4")
    frames[:, 0] = np.rint(np.clip(x, -1, 1 - 2**-23) * 2**23).astype(np.int64) << 8
    return frames.tobytes()


def meter_cost(frames: bytes, architecture: str, is_ours: bool) -> dict[str, float]:
    """Return instructions a sample of each kernel of the meter."""
    from array import array

    engine = Engine(RATE, architecture, is_ours=is_ours, count=True)
    energies = array("i", bytes(8 * MS))
    engine.weigh(frames, 0, MS, energies, array("i", bytes(48)), False)
    engine.weigh(frames, 0, MS, energies, array("i", bytes(48)), True)
    for slot in (0, 1) * (MS // 125):  # a millisecond of each slot in each block
        engine.inspect(frames, slot, 48, array("i", [0, -1, 0, 0, 0, 0]))
    engine.survey(frames, 0, MS, array("i", [0, 2**31 - 1, -(2**31), 0, 0, 0, 0, 0]))
    engine.detect(energies, array("i", [0, 0, 0, 0, 2**30 - 1, 30, 0, 0, 0, 0]), MS, FAST)
    n = RATE * MS // 1000
    return {name: round(executed / n, 2) for name, executed in engine.executed.items()}


def octave_cost(frames: bytes, architecture: str, is_ours: bool) -> dict[str, float]:
    """Return instructions a 48 kHz sample of the whole bank, and of its parts at stage 0."""
    n = RATE * MS // 1000
    out: dict[str, float] = {}
    for bands, stages in ((30, 10), (33, 11)):
        engine = OctaveEngine(architecture, is_ours=is_ours, count=True)
        ThirdOctaves(120_000, stages, engine).block(frames, 0, n)
        out[f"bands_{bands}"] = round(sum(engine.executed.values()) / n, 2)
        if stages == 10:
            ThirdOctaves(120_000, 1, single := OctaveEngine(architecture, is_ours=is_ours, count=True)).block(
                frames, 0, n
            )
            out["one_band_a_stage_sample"] = round(single.executed["band"] / 3 / n, 2)
            out["shared_a_stage_sample"] = round(single.executed["share"] / n, 2)
            out["unpack"] = round(single.executed["unpack"] / n, 2)
    return out


def c_cost(frames: bytes) -> dict[str, Any]:
    """Return the same algorithm in C, at every optimisation, with its state checked against ours."""
    c = coefficients(RATE)
    n = RATE * MS // 1000
    out: dict[str, Any] = {}
    wanted: dict[str, list[int]] = {}
    for name, function, with_c in (
        ("weigh_a", "meter", False),
        ("weigh_ac", "meter", True),
        ("one_band_a_stage_sample", "band", False),
        ("shared_a_stage_sample", "share", False),
    ):
        by_option: dict[str, float] = {}
        for option in noise_c.OPTIONS:
            core = Core("rv32imc", noise_c.compiled(function, c, option, with_c))
            if function == "meter":
                ctx = core.put(bytes(64))
                core.call(core.put(frames), core.put(bytes(8 * MS)), ctx, MS, count=True, viper=False)
                state, samples = core.words(ctx, 12), n
            else:
                one_slot = np.frombuffer(frames, "<i4")[::2][:480] >> 13
                samples = 480
                source = core.put(np.ascontiguousarray(one_slot, "<i4"))
                if function == "band":
                    values = [0] * 6 + list(BANDS[13][2]) + list(BANDS[13][3]) + [0] * 5
                    ctx = core.put(np.array(values, "<i4"))
                    core.call(source, ctx, 120, count=True, viper=False)
                else:
                    ctx = core.put(bytes(64))
                    core.call(
                        source, core.put(bytes(1920)), core.put(bytes(960)), ctx, 120, count=True, viper=False
                    )
                state = core.words(ctx, 11)
            if wanted.setdefault(name, state) != state:
                raise AssertionError(f"{name} {option}: C gives other bits")
            by_option[option] = round(core.executed / samples, 2)
        out[name] = {**by_option, "best": min(by_option.values())}
    return out


def report() -> dict[str, Any]:
    """Return all figures."""
    frames = street()
    rng = np.random.default_rng(3)
    loud = np.zeros((RATE * MS // 1000, 2), "<i4")
    loud[:, 0] = np.clip(rng.normal(0, 2**28, len(loud)), -(2**31), 2**31 - 1).astype(np.int64) & ~0xFF
    ours = meter_cost(frames, "rv32imc", is_ours=True)
    bank = octave_cost(frames, "rv32imc", is_ours=True)

    def configurations(meter: dict[str, float], octaves: dict[str, float]) -> dict[str, float]:
        # time weightings F and S
        everything = meter["weigh_ac"] + 2 * meter["detect"] + meter["survey"] + meter["inspect"]
        return {
            "laeq_laf_lafmax": round(meter["weigh_a"] + meter["detect"], 2),
            "with_lceq_lcpeak": round(meter["weigh_ac"] + meter["detect"], 2),
            "all_levels": round(everything, 2),
            "all_levels_30_bands": round(everything + octaves["bands_30"], 2),
            "all_levels_33_bands": round(everything + octaves["bands_33"], 2),
        }

    costs = configurations(ours, bank)
    theirs = meter_cost(frames, "rv32imc", is_ours=False)
    their_bank = octave_cost(frames, "rv32imc", is_ours=False)
    plain = configurations(theirs, their_bank)
    result: dict[str, Any] = {
        "unit": "executed instructions per 48 kHz sample",
        "sound": "street recording at 70 dB" if (len(frames)) else "",
        "rv32imc": {
            "shipped": costs,
            "kernels": {**ours, **bank},
            "loud_noise": meter_cost(loud.tobytes(), "rv32imc", is_ours=True),
            "code_bytes": {
                module: dict(zip(names, sizes(kernel_file(module, "rv32imc", True)), strict=True))
                for module, names in (
                    ("_noise48", ("weigh_a", "weigh_ac", "survey", "inspect", "detect")),
                    ("_octaves", ("unpack", "share", "band")),
                )
            },
        },
        "rv32imc_as_mpy_cross_emits": {**plain, "kernels": {**theirs, **their_bank}},
        "armv7em_as_mpy_cross_emits": configurations(
            meter_cost(frames, "armv7em", is_ours=False), octave_cost(frames, "armv7em", is_ours=False)
        ),
        "share_of_160_MHz_ESP32_C3_percent": {
            name: {
                "cpi_1": round(100 * cost * RATE / C3_HZ, 1),
                f"cpi_{CPI_C3}_model": round(100 * cost * RATE * CPI_C3 / C3_HZ, 1),
            }
            for name, cost in costs.items()
        },
        "share_of_240_MHz_ESP32_percent_estimate": {
            name: round(100 * cost * XTENSA_PER_RISCV * CPI_ESP32 * RATE / ESP32_HZ, 1)
            for name, cost in plain.items()
        },
        "ram_bytes": ram(),
        "first_valid_laeq_ms": {"warm_up": 500, "first_1_s_level": 1500, "first_125_ms_level": 625},
        "mwh_a_day_model": energy(),
    }
    if noise_c.is_installed():
        in_c = c_cost(frames)
        result["c_rv32imc"] = in_c
        result["ratio_to_best_c"] = {
            "weigh_a": round(ours["weigh_a"] / in_c["weigh_a"]["best"], 2),
            "weigh_ac": round(ours["weigh_ac"] / in_c["weigh_ac"]["best"], 2),
            "band": round(bank["one_band_a_stage_sample"] / in_c["one_band_a_stage_sample"]["best"], 2),
        }
    else:
        result["c_rv32imc"] = f"{noise_c.COMPILER} is not installed: no comparison with C"
    return result


def sizes(file: bytes) -> list[int]:
    """Return the code bytes of each viper function of a file."""
    return [len(child.code) for child in mpy.parse(file).code.children]


def ram() -> dict[str, int]:
    """Return the bytes of state and buffers, by what the classes allocate."""

    def bytes_of(value: Any) -> int:
        if isinstance(value, list):
            return sum(bytes_of(item) for item in value)
        return len(value) * value.itemsize if hasattr(value, "itemsize") else 0

    levels, bank = SoundLevels(RATE, 120_000), ThirdOctaves(120_000)
    return {
        "levels": sum(map(bytes_of, vars(levels).values())) + bytes_of(levels.laf._counts),
        "third_octaves": sum(bytes_of(value) for name, value in vars(bank).items() if name != "_of_stage"),
        "capture_buffer_32_ms": RATE * 32 // 1000 * 8,
        "i2s_dma_250_ms": RATE // 4 * 8,
        "seconds_15_minutes": 900 * (2 + 4),
    }


def energy() -> dict[str, Any]:
    """Return milliwatt-hours a day by how long a node listens: `meetnet energy`'s model, sending included."""
    from simulator import energy as model
    from simulator import hardware

    node = hardware.nodes()["c3_noise"]
    runs = {"all_the_time": 0, "60_s": 60, "30_s": 30, "10_s": 10}
    found = {name: model.predict(node, 300, 9, listens_s=seconds) for name, seconds in runs.items()}
    return {
        "node": "c3_noise, a record every 300 s at SF9",
        **{name: round(prediction.mwh, 1) for name, prediction in found.items()},
        "volts": found["10_s"].volts,
        "assumptions": found["all_the_time"].assumptions,
    }


def main() -> int:
    """Print the report."""
    sys.stdout.write(json.dumps(report(), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
