"""Integer coefficients of the weighting filters. Written by tools/noise_design.py."""

WEIGHTINGS = (
    {
        "rate_hz": 48000,
        "k1": 11,
        "f1": 12,
        "k2": 11,
        "f2": 12,
        "a": 309,
        "b": 400,
        "c": 8,
        "q": 10,
        "k3": 115,
        "f3": 11,
        "r3": 2,
        "k4": 189,
        "f4": 11,
        "gain_a_mdb": 4523,
        "gain_c_mdb": 5991,
        "gain_z_mdb": 1,
    },
)
