"""Bundles: building, signing, and reading what somebody hands us. Layout: wire/update.py."""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from gateway.errors import UpdateError
from gateway.node_config import keys as config_keys
from gateway.update.keys import PrivateKey, public_bytes
from wire import p256, update
from wire.errors import WireError

ROOMS = ("node", "wire", "radio", "drivers", "kernels", "boards")
_AT_THE_NODE = ("dev_eui", "join_eui", "update_key", "updates", "schema")
_MPY_ARCHITECTURES = {0: update.ANY, 2: 3, 10: 1, 11: 2}  # bits 2.. of the third byte of an .mpy file


@dataclass(frozen=True, slots=True)
class Bundle:
    """A whole bundle. id: 8 hex digits."""

    id: str
    head: Any
    data: bytes

    @property
    def kind(self) -> str:
        """The kind in words."""
        return update.KINDS[self.head.kind]

    @property
    def version(self) -> str:
        """The version in words."""
        return ".".join(str(n) for n in self.head.version)


@dataclass(frozen=True, slots=True)
class Release:
    """What is said of a payload: version, growing number, board and architecture it is for."""

    version: tuple[int, int, int]
    serial: int
    board: str = ""
    downgrade: bool = False


def read(data: bytes, public: bytes | None = None) -> Bundle:
    """Return the Bundle of a file; UpdateError when it is damaged or, given a key, not signed with it."""
    try:
        head: Any = update.unpack_head(data)
    except WireError as error:
        raise UpdateError(f"no bundle ({error}): make one with `meetnet update sign`", "no_bundle") from error
    payload = data[update.HEAD_BYTES :]
    digest = hashlib.sha256(data[: update.SIGNED_BYTES]).digest()
    if len(payload) != head.carried or hashlib.sha256(payload).digest() != head.sha256:
        raise UpdateError("the bundle is cut short or damaged: copy it again", "damaged")
    if public is not None and not p256.verify(public, digest, head.signature):
        raise UpdateError("the bundle is not signed with this key: sign it again", "unsigned")
    return Bundle(digest[:4].hex(), head, data)


def build_application(folder: Path, release: Release, key: PrivateKey, running: Path | None = None) -> Bundle:
    """Return the bundle of a folder of compiled files (node/, wire/, ...; .mpy of one architecture).

    running: the same folder as it runs on the nodes now; files that did not change then stay out. Such a
    bundle is small, and of use only where that very application came as a bundle too.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".mpy", ".py"))
    names = [path.relative_to(folder).as_posix() for path in files]
    wrong = [name for name in names if name.split("/")[0] not in ROOMS]
    if wrong or ("node/start.mpy" not in names and "node/start.py" not in names):
        raise UpdateError(
            f"{folder} is no application ({wrong[0] if wrong else 'node/start is missing'}): "
            "give the folder that has node/, wire/, radio/, drivers/, kernels/, boards/"
        )
    architecture, mpy = _target(files)
    entries = b""
    for path, name in zip(files, names, strict=True):
        content = path.read_bytes()
        known = running / name if running is not None else None
        same = known is not None and known.exists() and known.read_bytes() == content
        entries += _entry(name, content, same=same)
    return _signed(update.APPLICATION, architecture, mpy, entries, release, key)


def build_files(folder: Path, release: Release, key: PrivateKey) -> Bundle:
    """Return the bundle of a folder of files (calibrations, models), which go into data/ of the node."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise UpdateError(f"{folder} holds no files: give a folder that does")
    entries = b"".join(_entry(path.relative_to(folder).as_posix(), path.read_bytes()) for path in files)
    return _signed(update.FILES, update.ANY, 0, entries, release, key)


def build_config(values: dict[str, Any], release: Release, key: PrivateKey) -> Bundle:
    """Return the bundle of keys of config.json; secrets and identity are set at the node only."""
    flat = _flat(values)
    known = config_keys()
    for name, value in flat.items():
        rule = known.get(name)
        if rule is None or rule.secret or name in _AT_THE_NODE:
            raise UpdateError(f"{name} cannot be set from afar: leave it out")
        fault = rule.fault(value)
        if fault is not None:
            raise UpdateError(fault)
    if not flat:
        raise UpdateError("nothing to set: give an object with keys of config.json")
    text = json.dumps(values, separators=(",", ":")).encode()
    return _signed(update.CONFIG, update.ANY, 0, text, release, key)


def build_base(image: Path, architecture: str, release: Release, key: PrivateKey) -> Bundle:
    """Return the bundle of a MicroPython image for the second partition; architecture as in wire.update."""
    names = {name: number for number, name in update.ARCHITECTURES.items()}
    data = image.read_bytes()
    if not data or data[0] != 0xE9:  # esp_image_header_t.magic
        raise UpdateError(f"{image} is no image for an ESP32's application partition: give micropython.bin")
    return _signed(update.BASE, names[architecture], 0, data, release, key)


def _entry(name: str, content: bytes, *, same: bool = False) -> bytes:
    digest = hashlib.sha256(content).digest()[:8]
    try:
        if same:
            return cast("bytes", update.pack_entry(name, 1, len(content), digest))
        return cast("bytes", update.pack_entry(name, 0, len(content), digest, content))
    except WireError as error:
        raise UpdateError(f"{name}: {error}; rename it") from error


def _target(files: list[Path]) -> tuple[int, int]:
    """Return architecture and version of the .mpy files (docs.micropython.org, reference/mpyfiles)."""
    architectures: set[int] = set()
    versions: set[int] = set()
    for path in files:
        if path.suffix != ".mpy":
            continue
        head = path.read_bytes()[:4]
        if len(head) < 4 or head[0] != ord("M"):
            raise UpdateError(f"{path} is no .mpy file: compile it with mpy-cross")
        versions.add(head[1])
        native = head[2] >> 2 & 15
        if native:
            if native not in _MPY_ARCHITECTURES:
                raise UpdateError(f"{path} is for a chip that we do not know: compile it again")
            architectures.add(_MPY_ARCHITECTURES[native])
    if len(architectures) > 1 or len(versions) > 1:
        raise UpdateError("the .mpy files are of several architectures or versions: compile them in one go")
    return next(iter(architectures), update.ANY), next(iter(versions), 0)


def _signed(
    kind: int, architecture: int, mpy: int, content: bytes, release: Release, key: PrivateKey
) -> Bundle:
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -update.WINDOW_BITS)
    payload = squeezer.compress(content) + squeezer.flush()
    flags = update.DEFLATED | (update.DOWNGRADE if release.downgrade else 0)
    if kind == update.CONFIG or len(payload) >= len(content):
        payload, flags = content, flags & ~update.DEFLATED
    head: Any = update.Head(
        kind,
        architecture,
        mpy,
        flags,
        release.version,
        release.board,
        release.serial,
        len(payload),
        len(content),
        hashlib.sha256(payload).digest(),
        hashlib.sha256(public_bytes(key)).digest()[:4],
    )
    try:
        digest = hashlib.sha256(head.signed_part()).digest()
    except WireError as error:
        raise UpdateError(f"{error}: correct it") from error
    r, s = utils.decode_dss_signature(key.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256()))))
    head.signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return Bundle(digest[:4].hex(), head, head.pack() + payload)


def parse_version(text: str) -> tuple[int, int, int]:
    """Return the numbers of "1.2.3"; UpdateError for anything else."""
    found = re.fullmatch(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})", text)
    numbers = tuple(int(n) for n in found.groups()) if found else ()
    if len(numbers) != 3 or max(numbers) > 255:
        raise UpdateError(f"{text!r} is no version: give three numbers 0..255, as 1.2.3")
    return numbers


def _flat(data: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, dict):
            found |= _flat(cast("dict[str, Any]", value), f"{prefix}{name}.")
        elif prefix + name != "schema":
            found[prefix + name] = value
    return found
