"""The noise and third-octave kernels of this Python over given samples: hashes and states come back."""

import binascii
from array import array

from kernels.levels import SoundLevels
from kernels.noise import FAST, SLOW, kernels
from kernels.octaves import ThirdOctaves


def run(data):
    frames = bytearray(binascii.unhexlify(data["frames"]))
    n_ms = data["n_ms"]
    k = kernels(data["rate_hz"], data.get("response", ""))
    energies = array("i", bytes(8 * n_ms))
    state = array("i", bytes(48))
    plain_state = array("i", bytes(48))
    survey = array("i", bytes(32))
    inspect = array("i", [0, -1, 0, 0, 0, 0])
    fast = array("i", [0, 0, 0, 0, 0x3FFFFFFF, 30, 0, 0, 0, 0])
    slow = array("i", [0, 0, 0, 0, 0x3FFFFFFF, 30, 0, 0, 0, 0])
    for _ in range(2):  # the second turn begins from a state
        k.weigh(frames, 1, n_ms, energies, plain_state, False)
        k.weigh(frames, 1, n_ms, energies, state, True)
        k.survey(frames, 0, n_ms, survey)
        k.inspect(frames, 0, 100, inspect)
        k.detect(energies, fast, n_ms, FAST)
        k.detect(energies, slow, n_ms, SLOW)
    result = {
        "energies": [e & 0xFFFFFFFF for e in energies],
        "weigh": list(state),
        "weigh_a": list(plain_state),
        "survey": list(survey),
        "inspect": list(inspect),
        "fast": list(fast),
        "slow": list(slow),
    }
    if data.get("octaves"):
        bank = ThirdOctaves(120000)
        levels = SoundLevels(data["rate_hz"], 120000, 29000)
        bank.block(frames, 1, len(frames) // 32 * 4)
        levels.block(frames, 1, n_ms)
        result["thirds"] = bank.levels()
        result["octaves"] = bank.octaves()
        result["levels"] = [levels.laeq(), levels.lceq(), levels.lzeq(), levels.lafmax(), levels.lasmax()]
    return result
