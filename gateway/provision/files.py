"""Device lists as files: what The Things Stack imports, and the same for scripts against ChirpStack.

They hold root keys, so a file is created with mode 0600 and only ever appears whole.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from gateway.errors import RegistryError
from gateway.provision.devices import Moving

# The Things Stack, "CSV File Reference": semicolons, a header, LoRaWAN 1.0.4 with RP002-1.0.3.
_TTS_HEAD = (
    "id", "dev_eui", "join_eui", "name", "frequency_plan_id", "lorawan_version", "lorawan_phy_version",
    "app_key",
)  # fmt: skip
_TTS_FIXED = ("EU_863_870_TTN", "MAC_V1_0_4", "RP002_V1_0_3")
# ChirpStack v4 has no import of files; the columns are the fields of its API (api.Device, api.DeviceKeys).
_CHIRPSTACK_HEAD = ("dev_eui", "join_eui", "name", "description", "nwk_key")


def tts_csv(devices: Iterable[Moving]) -> str:
    """Return what The Things Stack imports as "CSV"."""
    rows = (
        (f"eui-{d.dev_eui}", d.dev_eui, d.join_eui, d.name, *_TTS_FIXED, d.app_key.hex()) for d in devices
    )
    return _csv(_TTS_HEAD, rows, ";")


def chirpstack_csv(devices: Iterable[Moving]) -> str:
    """Return a list for scripts; nwk_key is where ChirpStack keeps the AppKey of LoRaWAN 1.0.x."""
    rows = ((d.dev_eui, d.join_eui, d.name, f"Meetnet {d.kind}", d.app_key.hex()) for d in devices)
    return _csv(_CHIRPSTACK_HEAD, rows, ",")


FORMATS: dict[str, Callable[[Iterable[Moving]], str]] = {
    "chirpstack-csv": chirpstack_csv,
    "tts-csv": tts_csv,
}


def write_file(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all; RegistryError when it cannot be."""
    waiting = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            waiting.replace(path)
        except BaseException:
            waiting.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise RegistryError(f"{path} cannot be written ({error.strerror}): give another path") from error


def _csv(head: tuple[str, ...], rows: Iterable[tuple[str, ...]], delimiter: str) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return out.getvalue()
