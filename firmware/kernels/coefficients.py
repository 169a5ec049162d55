"""Integer coefficients of the weighting filters. Written by tools/noise_design.py."""

WEIGHTINGS = (
    {
        "rate_hz": 48000,
        "k1": 11,
        "f1": 11,
        "r1": 1,
        "k2": 11,
        "f2": 12,
        "a": 309,
        "b": 400,
        "c": 8,
        "q": 10,
        "k3": 115,
        "f3": 10,
        "r3": 3,
        "k4": 189,
        "f4": 10,
        "r4": 1,
        "gain_a_mdb": 4523,
        "gain_c_mdb": 5991,
        "gain_z_mdb": 1,
    },
)
