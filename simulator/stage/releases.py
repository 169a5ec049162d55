"""Firmware releases that are no good: this firmware with one line changed, as an update brings it.

The key that signs them follows from the scenario's seed, and nodes are given its public half when they are
provisioned: the same seed, the same bytes.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from simulator.mpycache import compile_one, compiled
from simulator.nodeproc import SimulatorError
from simulator.where import FIRMWARE

ROOMS = ("node", "wire", "radio", "drivers", "kernels", "boards")
VERSION = (99, 0, 0)
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256, FIPS 186-4 D.1.2.3
_MEASURE = "    def _measure(self):"
_STEP = "        self.hal.feed()\n        now_ms"
_WIFI = "        self.ask_time()\n        try:"
# what is wrong with it -> (file, what stands there, what stands there instead)
BAD: dict[str, tuple[str, str, str]] = {
    "does_not_import": ("node/start.py", "import gc", "import nothing_of_that_name"),
    "crashes": ("node/core.py", _MEASURE, f"{_MEASURE}\n        raise RuntimeError('bug')"),
    "hangs": ("node/core.py", _STEP, f"        while True:\n            self.hal.sleep(1000)\n{_STEP}"),
    "is_never_heard": ("node/wifi_link.py", _WIFI, f"        return False\n{_WIFI}"),
}
_OWN_VERSION = ("node/version.py", "VERSION = (", f"VERSION = {VERSION} or (")


def signing_key(seed: int) -> ec.EllipticCurvePrivateKey:
    """Return the key of a scenario."""
    number = int.from_bytes(hashlib.sha512(b"meetnet simulated updates %d" % seed).digest())
    return ec.derive_private_key(number % (_ORDER - 1) + 1, ec.SECP256R1())


def update_key(seed: int) -> str:
    """Return the public half as nodes keep it in config.json: X and Y."""
    public = signing_key(seed).public_key()
    encoding, form = serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    return public.public_bytes(encoding, form)[1:].hex()


def private_number(seed: int) -> int:
    """Return the private half as a number."""
    return signing_key(seed).private_numbers().private_value


def bad_application(how: str, folder: Path) -> Path:
    """Write the application of a bad release to a new folder and return it: compiled, as nodes take it."""
    built = compiled(FIRMWARE)
    target = folder / f"bad-{how}"
    shutil.rmtree(target, ignore_errors=True)
    for room in ROOMS:
        shutil.copytree(built / room, target / room, ignore=shutil.ignore_patterns("*.md", "*.toml", "*.csv"))
    for name, old, new in (_OWN_VERSION, BAD[how]):
        text = (FIRMWARE / name).read_text()
        if old not in text:
            raise SimulatorError(f"bad_update: how: {how}: {name} is not as this fault knows it")
        for suffix in (".py", ".mpy"):
            (target / name).with_suffix(suffix).unlink(missing_ok=True)
        compile_one(text.replace(old, new, 1), name, target / name)
    return target
