"""The page's own files, read once at start and answered from memory, compressed where that helps.

No thread and no disk is in the way of a request. Each file's address carries a hash of its content, so a
browser may keep it for ever.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

logger = logging.getLogger("meetnet.web")

STATIC = Path(__file__).parent / "static"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".geojson": "application/geo+json",
}
VENDOR = (
    "vendor/htmx.js",
    "vendor/leaflet.js",
    "vendor/leaflet.css",
    "vendor/uplot.js",
    "vendor/uplot.css",
    "vendor/esptool.js",
)


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file, ready to be sent."""

    content: bytes
    compressed: bytes
    media_type: str
    digest: str


class StaticFiles:
    """All files under a folder that have a known type."""

    def __init__(self, folder: Path = STATIC, outlines: Path | None = None) -> None:
        self._files: dict[str, StaticFile] = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix in MEDIA_TYPES:
                self._add(path.relative_to(folder).as_posix(), path)
        self._files.pop("outlines.geojson", None)
        if outlines is not None and outlines.is_file():
            self._add("outlines.geojson", outlines)
        missing = [name for name in VENDOR if name not in self._files]
        if missing:
            logger.warning(
                "the page lacks %s: map, chart and updating are off until `python -m tools.assets` has run",
                ", ".join(missing),
            )

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def url(self, name: str) -> str:
        """Return the address of a file with the hash of its content; "" when there is no such file."""
        file = self._files.get(name)
        return f"/static/{name}?v={file.digest}" if file else ""

    async def answer(self, request: Request) -> Response:
        """Answer /static/{name}."""
        name = request.path_params["name"]
        file = self._files.get(name)
        if file is None:
            raise HTTPException(404)
        etag = f'"{file.digest}"'
        headers = {
            "etag": etag,
            "vary": "Accept-Encoding",
            "cache-control": (
                "public, max-age=31536000, immutable"
                if request.query_params.get("v") == file.digest
                else "no-cache"
            ),
        }
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        body = file.content
        if len(file.compressed) < len(body) and "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            body = file.compressed
        return Response(body, media_type=file.media_type, headers=headers)

    def _add(self, name: str, path: Path) -> None:
        content = path.read_bytes()
        self._files[name] = StaticFile(
            content=content,
            compressed=gzip.compress(content, 9, mtime=0),
            media_type=MEDIA_TYPES[path.suffix],
            digest=hashlib.sha256(content).hexdigest()[:12],
        )
