"""Protected frames on this Python: the plain sum, on the chip's Python the machine code too."""

import sys

from wire.codec import parity


def run(data):
    adds = [parity.add_sum]
    if sys.implementation.name == "micropython":
        from kernels.parity import add_sum

        adds.append(add_sum)
    out = []
    for rate in data["rates"]:
        windows = [parity.Window(rate, data["counter"], add) for add in adds]
        frames = []
        for text in data["frames"]:
            made = [w.protect(bytes.fromhex(text)[: w.size], data["limit"]) for w in windows]
            if any(frame != made[0] for frame in made):
                raise AssertionError("machine code writes other bytes")
            frames.append(made[0].hex())
        out.append(frames)
    return out
