"""Headers on every answer: nothing of another host, no script or style but our own files."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class SecurityHeaders:
    """ASGI middleware. tiles_origin: the one host of map tiles, "" for none. is_https: people come by TLS."""

    def __init__(self, app: ASGIApp, tiles_origin: str = "", is_https: bool = False) -> None:
        self._app = app
        images = f"'self' data: {tiles_origin}".strip()
        self._headers = {
            "content-security-policy": (
                "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                f"img-src {images}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
            ),
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            # Other hosts learn nothing; our own forms say where they come from, which the gate checks.
            "referrer-policy": "same-origin",
            "permissions-policy": "camera=(), microphone=(), geolocation=(self)",
            "cross-origin-opener-policy": "same-origin",
        }
        if is_https:
            self._headers["strict-transport-security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and add the headers to its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
