"""Users and rights of a broker of the city's, written from the register: each device its own topics only.

    Mosquitto   passwd ($7$: PBKDF2 with SHA-512) and acl; read again after SIGHUP
    EMQX        users.csv for its built-in database, and acl.conf

A device publishes below meetnet/v1/{DevEUI} and reads below .../down; nobody else does. The gateway's own
user reads all of it and writes commands. The rights are patterns on the user's name, so they are as short for
a hundred thousand devices as for one.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import StoreError
from gateway.registry import Registry
from gateway.registry.secrets import BROKER_ITERATIONS, broker_hash

Hashes = Mapping[str, tuple[str, bytes]]

MOSQUITTO_ACL = """# Written by meetnet broker users. Devices: user name = DevEUI.
pattern write meetnet/v1/%u/+
pattern read meetnet/v1/%u/down/+

user {gateway}
topic read meetnet/v1/+/+
topic write meetnet/v1/+/down/+
"""
EMQX_ACL = """%% Written by meetnet broker users. Devices: user name = DevEUI.
{{allow, {{user, "{gateway}"}}, subscribe, ["meetnet/v1/+/+", "$share/+/meetnet/v1/+/+"]}}.
{{allow, {{user, "{gateway}"}}, publish, ["meetnet/v1/+/down/+"]}}.
{{allow, all, publish, ["meetnet/v1/${{username}}/+"]}}.
{{allow, all, subscribe, ["meetnet/v1/${{username}}/down/+"]}}.
{{deny, all}}.
"""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of it. without: devices whose password is from before these files were known."""

    files: list[str]
    users: int
    without: list[str]


def write(form: str, registry: Registry, folder: Path, gateway: str, password: str) -> Written:
    """Write the files of a broker, each at once or not at all, mode 0640; raise StoreError.

    gateway, password: the user of mqtt.username. A device that was revoked is not in them any more.
    """
    hashes = registry.broker_hashes()
    devices = [device.dev_eui for device in registry.devices() if device.transport == "mqtt"]
    known: dict[str, tuple[str, bytes]] = {name: hashes[name] for name in devices if name in hashes}
    known[gateway] = broker_hash(password)
    files = FORMS[form](known, gateway)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            fresh = folder / f".{name}.new"
            fresh.unlink(missing_ok=True)
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(folder / name)
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror}; give a directory that can be written") from error
    return Written(sorted(files), len(known), [name for name in devices if name not in hashes])


def _mosquitto(hashes: Hashes, gateway: str) -> dict[str, str]:
    lines = [
        f"{name}:$7${BROKER_ITERATIONS}${_base64(salt.encode())}${_base64(found)}\n"
        for name, (salt, found) in hashes.items()
    ]
    return {"passwd": "".join(lines), "acl": MOSQUITTO_ACL.format(gateway=gateway)}


def _emqx(hashes: Hashes, gateway: str) -> dict[str, str]:
    lines = [f"{name},{found.hex()},{salt},false\n" for name, (salt, found) in hashes.items()]
    head = "user_id,password_hash,salt,is_superuser\n"
    return {"users.csv": head + "".join(lines), "acl.conf": EMQX_ACL.format(gateway=gateway)}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


FORMS: dict[str, Callable[[Hashes, str], dict[str, str]]] = {"mosquitto": _mosquitto, "emqx": _emqx}
