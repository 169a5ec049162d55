"""HTTP push: answered only after the durable commit, each device with its own token.

POST /push/v1/airrohr              an airRohr node's own API; who: X-Sensor, token: password of Basic
POST /push/v1/devices/{name}       any body, read by the device's profile; ?port= for nodes of ours
POST /push/v1/ttn                  webhook of The Things Stack
POST /push/v1/chirpstack?event=up  HTTP integration of ChirpStack
"""

from __future__ import annotations

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway import envelope
from gateway.clock import Clock
from gateway.counters import Counters
from gateway.errors import IngestError, StoreError
from gateway.http import HttpServer
from gateway.ingest import lns_json
from gateway.ingest.chirpstack import decode_webhook as chirpstack_webhook
from gateway.ingest.chirpstack.uplinks import as_json
from gateway.ingest.push.tokens import Registered, Tokens, token_in
from gateway.ingest.ttn import decode_webhook as ttn_webhook
from gateway.model import Uplink, UplinkSink
from gateway.rates import Rates, SpentError, network_of
from gateway.tls import TlsFiles

SOURCE = "push"
MOST_BYTES = 16 * 1024
MOST_WEBHOOK_BYTES = 60 * 1024
BODY_S = 10.0
DRAIN_S = 1.0
MOST_DRAINED = 256 * 1024
MOST_KEYS = 20_000
WRONG_TOKENS = 20  # from one address, in WRONG_MS
WRONG_MS = 600_000
MINUTE_MS = 60_000


class Devices(Registered, Protocol):
    """What is asked of the register."""

    def knows(self, dev_eui: str) -> bool:
        """Tell whether a device is registered."""
        ...

    def named(self, alias: str) -> str | None:
        """Return the DevEUI of a device that calls itself so."""
        ...

    def profile_of(self, dev_eui: str) -> str:
        """Return the profile of a device that is none of ours."""
        ...

    def secrets_version(self) -> tuple[int, int]:
        """Return what differs after a change."""
        ...


@dataclass(frozen=True, slots=True)
class PushSettings:
    """webhook_token: what network servers give; "" switches their webhooks off."""

    host: str = "127.0.0.1"
    port: int = 8090
    tls: TlsFiles | None = None
    per_minute: int = 60
    webhook_token: str = ""


class _RefusalError(Exception):
    def __init__(self, status: int, cause: str, text: str, **headers: str) -> None:
        super().__init__(text)
        self.status, self.cause, self.headers = status, cause, headers


class PushServer:
    """Create, `await start()`, `await close()`.

    problem: says why a message of a device cannot be read, None when it can: it is kept all the same, and
    whoever pushed it is told. wants_object: as for ingest over MQTT.
    """

    def __init__(
        self,
        sink: UplinkSink,
        devices: Devices,
        clock: Clock,
        counters: Counters,
        settings: PushSettings,
        problem: Callable[[Uplink], str | None] = lambda uplink: None,
        wants_object: Callable[[str], bool] = lambda dev_eui: False,
    ) -> None:
        self._sink = sink
        self._devices = devices
        self._clock = clock
        self._counters = counters
        self._settings = settings
        self._problem = problem
        self._wants_object = wants_object
        self._tokens = Tokens(devices, devices.secrets_version)
        self._wrong = Rates(clock.now_ms, WRONG_TOKENS, WRONG_MS)
        self._taken = Rates(clock.now_ms, settings.per_minute, MINUTE_MS)
        self._keys: OrderedDict[tuple[str, str], None] = OrderedDict()
        routes = [
            Route("/push/v1/airrohr", self._guarded(self._airrohr), methods=["POST"]),
            Route("/push/v1/devices/{name}", self._guarded(self._device), methods=["POST"]),
            Route("/push/v1/ttn", self._guarded(self._ttn), methods=["POST"]),
            Route("/push/v1/chirpstack", self._guarded(self._chirpstack), methods=["POST"]),
        ]
        app = Starlette(routes=routes)
        self._server = HttpServer(app, settings.host, settings.port, "push.port", settings.tls)

    async def start(self) -> None:
        """Listen; ConfigError when the port cannot be had."""
        await self._server.start()

    @property
    def port(self) -> int:
        """The port in use, once started."""
        return self._server.port

    async def close(self) -> None:
        """Stop listening; what was taken is answered."""
        await self._server.close()

    # -- devices

    async def _airrohr(self, request: Request) -> Response:
        alias = request.headers.get("x-sensor", "")
        if not alias:
            raise _RefusalError(400, "ingest.push_malformed", "X-Sensor: missing; it says which node this is")
        return await self._from_device(request, alias, 1)

    async def _device(self, request: Request) -> Response:
        port = request.query_params.get("port", "1")
        if not (port.isascii() and port.isdigit() and 1 <= int(port[:4]) <= 223):
            raise _RefusalError(400, "ingest.push_malformed", f"port: {port[:20]!r}; give 1 to 223")
        return await self._from_device(request, request.path_params["name"], int(port))

    async def _from_device(self, request: Request, name: str, port: int) -> Response:
        dev_eui = await self._who(request, name)
        self._spend(self._taken, dev_eui, "ingest.push_too_often")
        body = await _body(request, MOST_BYTES)
        if not body:
            raise _RefusalError(400, "ingest.push_malformed", "the body is empty")
        key = request.headers.get("idempotency-key", "")[:200]
        if key and (dev_eui, key) in self._keys:
            self._counters.count("ingest.push_repeated")
            return JSONResponse({"stored": True, "repeated": True})
        payload = body
        if key and self._devices.profile_of(dev_eui):  # nodes of ours count their records themselves
            payload = envelope.wrapped(body, None, key)
        answer = await self._keep(Uplink(SOURCE, dev_eui, port, payload, self._clock.now_ms()))
        if key:
            self._keys[dev_eui, key] = None
            if len(self._keys) > MOST_KEYS:
                self._keys.popitem(last=False)
        return answer

    async def _who(self, request: Request, name: str) -> str:
        address = network_of(request.client.host) if request.client else "?"
        dev_eui = self._devices.named(name[:100]) or name.lower()
        token = token_in(request.headers.get("authorization", ""))
        if self._tokens.was_right(dev_eui, token):  # whoever guesses beside it, in the same school
            return dev_eui
        try:
            self._wrong.refuse_if_spent(address)
        except SpentError as error:
            raise _too_often("ingest.push_guessing", f"too many wrong tokens from {address}", error) from None
        if not token or not await self._tokens.is_right(dev_eui, token):
            self._spend(self._wrong, address, "ingest.push_guessing")
            text = "give the device's token as Bearer or as the password of Basic: meetnet device token"
            refused = f"{name[:40]!r} from {address}"
            self._counters.count("ingest.push_refused", refused)
            raise _RefusalError(401, "", text, **{"WWW-Authenticate": 'Basic realm="meetnet"'})
        return dev_eui

    # -- network servers

    async def _ttn(self, request: Request) -> Response:
        self._check_webhook(request)
        body = await _body(request, MOST_WEBHOOK_BYTES)
        return await self._from_network(ttn_webhook(body, self._clock.now_ms()), body)

    async def _chirpstack(self, request: Request) -> Response:
        self._check_webhook(request)
        event = request.query_params.get("event", "")
        body = await _body(request, MOST_WEBHOOK_BYTES)
        uplink = chirpstack_webhook(event, body, self._clock.now_ms())
        return await self._from_network(uplink, b"" if uplink is None else as_json("up", body))

    def _check_webhook(self, request: Request) -> None:
        wanted = self._settings.webhook_token
        given = token_in(request.headers.get("authorization", ""))
        address = network_of(request.client.host) if request.client else "?"
        if wanted and hmac.compare_digest(given.encode(), wanted.encode()):
            return
        self._spend(self._wrong, address, "ingest.push_guessing")
        why = "is needed" if wanted else "is not set: push.webhook_token_file"
        raise _RefusalError(401, "ingest.push_refused", f"the token of the webhooks {why}")

    async def _from_network(self, uplink: Uplink | None, body: bytes) -> Response:
        if uplink is None:
            return JSONResponse({"stored": False, "text": "no application payload in this event"})
        if not self._devices.knows(uplink.dev_eui):
            raise IngestError("ingest.push_foreign", f"{uplink.dev_eui} is not registered")
        if self._wants_object(uplink.dev_eui):
            uplink = lns_json.with_object(uplink, body)
        return await self._keep(uplink)

    # -- both

    async def _keep(self, uplink: Uplink) -> Response:
        try:
            await self._sink.accept(uplink)
        except StoreError:  # counted where it happened
            return _refused(503, "the disk does not take it now: send it again", {"Retry-After": "10"})
        self._counters.count("ingest.push_uplinks")
        problem = self._problem(uplink)
        if problem is None:
            return JSONResponse({"stored": True}, 201)
        return JSONResponse({"stored": True, "problem": problem}, 202)

    def _spend(self, rates: Rates, key: str, cause: str) -> None:
        try:
            rates.spend(key)
        except SpentError as error:
            raise _too_often(cause, key, error) from None

    def _guarded(
        self, serve: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                return await serve(request)
            except _RefusalError as error:
                if error.cause:
                    self._counters.count(error.cause, str(error))
                await _drain(request)
                return _refused(error.status, str(error), error.headers)
            except IngestError as error:
                self._counters.count(error.cause, str(error))
                return _refused(422, str(error), {})
            except ClientDisconnect:
                return _refused(400, "the connection ended within the body", {})

        return answer


def _too_often(cause: str, detail: str, error: SpentError) -> _RefusalError:
    return _RefusalError(429, cause, f"{detail}: too many, {error}", **{"Retry-After": str(error.retry_s)})


def _refused(status: int, text: str, headers: dict[str, str]) -> Response:
    # A body that nobody read must not be taken for the next request.
    return Response(
        msgspec.json.encode({"stored": False, "error": text}),
        status,
        {**headers, "Connection": "close"},
        "application/json",
    )


async def _drain(request: Request) -> None:
    """Read what is still coming, so far as it is little: who is cut off within a body sees no answer."""
    size = 0
    try:
        async with asyncio.timeout(DRAIN_S):
            async for part in request.stream():
                size += len(part)
                if size > MOST_DRAINED:
                    return
    except (TimeoutError, RuntimeError, ClientDisconnect):  # RuntimeError: it was read already
        return


async def _body(request: Request, most: int) -> bytes:
    told = request.headers.get("content-length", "0")
    if not told.isdigit() or int(told[:12]) > most:
        raise _RefusalError(413, "ingest.push_too_long", f"a body of {told[:20]} bytes; {most} are taken")
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise _RefusalError(413, "ingest.push_too_long", f"a longer body than {most} bytes")
                parts.append(part)
    except TimeoutError:
        raise _RefusalError(408, "ingest.push_slow", f"the body did not come within {BODY_S:g} s") from None
    return b"".join(parts)
