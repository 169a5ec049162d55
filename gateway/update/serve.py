"""Bundles for nodes on Wi-Fi: GET /update/<id> with a Range. Only what is being rolled out is served.

A bundle is signed and holds no secret, so no login is needed; who has the id has heard of it from us.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

MOST_BYTES = 65536


def bundles_app(offered: Callable[[str], Path | None]) -> Starlette:
    """Return the application for /update; offered(id) is the file of a bundle, or None."""

    async def serve(request: Request) -> Response:
        bundle_id = request.path_params["bundle_id"]
        path = offered(bundle_id) if re.fullmatch("[0-9a-f]{8}", bundle_id) else None
        if path is None:
            return PlainTextResponse("no such update\n", 404)
        found = re.fullmatch(r"bytes=(\d{1,9})-(\d{1,9})?", request.headers.get("range", ""))
        if found is None:
            return PlainTextResponse("ask with Range: bytes=first-last\n", 416)
        size = path.stat().st_size
        first = int(found[1])
        last = min(int(found[2]) if found[2] else size - 1, size - 1, first + MOST_BYTES - 1)
        if not 0 <= first <= last:
            return PlainTextResponse("beyond the end\n", 416, {"Content-Range": f"bytes */{size}"})
        with path.open("rb") as file:
            file.seek(first)
            data = file.read(last - first + 1)
        headers = {"Content-Range": f"bytes {first}-{last}/{size}", "Cache-Control": "no-store"}
        return Response(data, 206, headers, "application/octet-stream")

    return Starlette(routes=[Route("/update/{bundle_id}", serve)])
