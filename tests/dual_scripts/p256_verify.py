"""Verify signatures on this Python; also how much that costs."""

import gc
import time

from wire import p256


def run(data):
    return [p256.verify(*[bytes.fromhex(part) for part in case]) for case in data]


def cost(case):
    """Return what one verification takes: microseconds, and bytes of heap, garbage included."""
    key, digest, signature = [bytes.fromhex(part) for part in case]
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    started = time.ticks_us()
    good = p256.verify(key, digest, signature)
    took_us = time.ticks_diff(time.ticks_us(), started)
    used = gc.mem_alloc() - before
    gc.enable()
    return [good, took_us, used]
