"""Where base images are kept: by SHA-256, added from a file or downloaded once, verified at every use."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import httpx

from tools.flash import base
from tools.flash.base import BaseImage
from tools.flash.chips import CHIPS
from tools.flash.errors import FlashError

_LARGEST = 32 << 20


def folder() -> Path:
    """Return the usual place: $XDG_CACHE_HOME/meetnet/images."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "meetnet" / "images"


class ImageStore:
    """Images in a folder, each a file named by its digest."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or folder()

    def add(self, source: Path, sha256: str | None = None) -> BaseImage:
        """Take an image from a file; FlashError when it is none, or not the one named."""
        try:
            content = source.read_bytes()
        except OSError as error:
            raise FlashError(
                "image", f"{source}: {error.strerror}; give the path of a MicroPython image"
            ) from error
        return self._keep(base.parse(content, sha256))

    def fetch(self, url: str, sha256: str) -> BaseImage:
        """Download an image once. What comes is checked against the digest before it is kept."""
        known = self._path / f"{sha256.lower()}.bin"
        if known.exists():
            return self.get(sha256)
        digest, parts, length = hashlib.sha256(), list[bytes](), 0
        try:
            with httpx.stream("GET", url, follow_redirects=True, timeout=30) as answer:
                answer.raise_for_status()
                for part in answer.iter_bytes():
                    length += len(part)
                    if length > _LARGEST:
                        raise FlashError("image", f"{url} is larger than any image: check the address")
                    digest.update(part)
                    parts.append(part)
        except httpx.HTTPError as error:
            raise FlashError(
                "image",
                f"{url} cannot be fetched ({error}): check the network, or get it elsewhere and give FILE",
            ) from error
        return self._keep(base.parse(b"".join(parts), sha256))

    def get(self, sha256: str) -> BaseImage:
        """Return a kept image by its digest or the beginning of it."""
        wanted = sha256.lower()
        found = [path for path in self._path.glob("*.bin") if path.stem.startswith(wanted)]
        if len(found) != 1:
            raise FlashError(
                "image", f"{len(found)} kept images begin with {wanted}: see `meetnet flash images`"
            )
        return base.parse(found[0].read_bytes(), found[0].stem)

    def all(self) -> list[BaseImage]:
        """Return what is kept, by chip and version; a damaged file is left out."""
        found: list[BaseImage] = []
        for path in self._path.glob("*.bin"):
            try:
                found.append(base.parse(path.read_bytes(), path.stem))
            except FlashError:
                continue
        return sorted(found, key=lambda image: (image.chip.name, image.version))

    def newest_for(self, chip: str) -> BaseImage:
        """Return the newest kept image for a chip; FlashError `image` when there is none."""
        found = [image for image in self.all() if image.chip.name == chip]
        if not found:
            raise FlashError(
                "image",
                f"no base image for {chip} is kept: get the .bin of {CHIPS[chip].download} from "
                "micropython.org/download, then: meetnet flash image FILE",
            )
        return max(
            found,
            key=lambda image: [int(part) if part.isdigit() else -1 for part in image.version.split(".")],
        )

    def _keep(self, image: BaseImage) -> BaseImage:
        self._path.mkdir(parents=True, exist_ok=True)
        path = self._path / f"{image.sha256}.bin"
        waiting = path.with_suffix(f".{os.getpid()}")
        waiting.write_bytes(image.content)
        waiting.replace(path)
        note = {"chip": image.chip.name, "version": image.version, "sha256": image.sha256}
        path.with_suffix(".json").write_text(json.dumps(note), "utf-8")
        return image
