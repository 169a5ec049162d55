"""The status for whoever runs the gateway: on loopback, with a token that only the owner can read.

It names devices and details, so it is not part of the public page.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def create_control(token: str, status: Callable[[], dict[str, Any]]) -> Starlette:
    """Return the application: GET /status with `Authorization: Bearer <token>`."""

    async def answer(request: Request) -> Response:
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            return JSONResponse({"error": "the token of control.json is needed"}, 401)
        return JSONResponse(status())

    return Starlette(routes=[Route("/status", answer)])
