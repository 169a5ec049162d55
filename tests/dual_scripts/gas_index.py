"""The VOC and NOx index on both Pythons."""

from kernels.gas_index import GasIndex, exp


def run(data):
    """Return the indices (tenths) after each `every`-th tick of each case, and powers of e."""
    out = {"index": [], "states": [], "exp": [exp(x) for x in data["exp"]]}
    for nox, every, ticks in data["cases"]:
        meter = GasIndex(nox)
        found = []
        for i in range(len(ticks)):
            value = meter.process(ticks[i])
            if i % every == every - 1:
                found.append(value)
        out["index"].append(found)
        out["states"].append(list(meter.states()))
    return out
