"""The door for whoever runs the gateway: on loopback, with a token that only the owner can read.

It names devices and details, so it is not part of the public page.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.errors import GatewayError
from gateway.model import DownlinkQueue


class JoinResetter(Protocol):
    """The network server, if there is one."""

    async def reset_join(self, dev_eui: str) -> None:
        """Accept any DevNonce at the device's next join."""
        ...


def create_control(
    token: str,
    status: Callable[[], dict[str, Any]],
    downlinks: DownlinkQueue | None = None,
    network_server: Callable[[], JoinResetter | None] = lambda: None,
    explain: Callable[[str], Awaitable[dict[str, Any]]] | None = None,
    reload: Callable[[], Awaitable[dict[str, Any]]] | None = None,
) -> Starlette:
    """Return the application; every request needs `Authorization: Bearer <token>`.

    GET /status; GET /explain?reading=...; POST /reload;
    POST /devices/{DevEUI}/reset-join; POST /devices/{DevEUI}/downlinks with
    {"f_port", "payload" (hex), "confirmed"}.
    """

    async def answer(request: Request) -> Response:
        return JSONResponse(status())

    async def reset(request: Request) -> Response:
        server = network_server()
        if server is None:
            return JSONResponse({"error": "the built-in network server is off: ask the one in use"}, 409)
        await server.reset_join(request.path_params["dev_eui"])
        return JSONResponse({"reset": True})

    async def queue(request: Request) -> Response:
        if downlinks is None:
            return JSONResponse({"error": "no network takes downlinks"}, 409)
        try:
            body = cast("dict[str, Any]", await request.json())
            f_port, payload = int(body["f_port"]), bytes.fromhex(body["payload"])
            confirmed = body.get("confirmed", False) is True
        except (ValueError, KeyError, TypeError) as error:
            return JSONResponse({"error": f"f_port or payload: {error}"}, 400)
        found = await downlinks.enqueue(request.path_params["dev_eui"], f_port, payload, confirmed)
        return JSONResponse({"id": found})

    async def tell(request: Request) -> Response:
        if explain is None:
            return JSONResponse({"error": "this gateway cannot explain"}, 409)
        return JSONResponse(await explain(request.query_params.get("reading", "")))

    async def change(request: Request) -> Response:
        if reload is None:
            return JSONResponse({"error": "this gateway cannot reload"}, 409)
        return JSONResponse(await reload())

    def guarded(serve: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def check(request: Request) -> Response:
            given = request.headers.get("authorization", "")
            if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
                return JSONResponse({"error": "the token of control.json is needed"}, 401)
            try:
                return await serve(request)
            except GatewayError as error:
                return JSONResponse({"error": str(error)}, 409)

        return check

    return Starlette(
        routes=[
            Route("/status", guarded(answer)),
            Route("/explain", guarded(tell)),
            Route("/reload", guarded(change), methods=["POST"]),
            Route("/devices/{dev_eui}/reset-join", guarded(reset), methods=["POST"]),
            Route("/devices/{dev_eui}/downlinks", guarded(queue), methods=["POST"]),
        ]
    )
