# The built-in os with one difference: random bytes come from the street's seed, so that a run repeats.
import uhashlib as _hashlib
from uos import *

from _link import HELLO as _HELLO

_state = [bytes.fromhex(_HELLO["random"]), 0]


def urandom(n):
    out = b""
    while len(out) < n:
        _state[1] += 1
        out += _hashlib.sha256(_state[0] + _state[1].to_bytes(8, "big")).digest()
    return out[:n]


def uname():
    return ("esp32", "esp32", "1.29.0", "simulated", HELLO_BOARD)


HELLO_BOARD = _HELLO["board"]
