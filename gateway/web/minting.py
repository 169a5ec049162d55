"""An identity for a blank board that a technician flashes from the browser: keys, label, claim card.

The answer goes to the page, the page hands the configuration to the board over the cable; neither it nor the
claim code is kept anywhere but in the registry.
"""

from __future__ import annotations

import base64
import re
import unicodedata

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.errors import GatewayError
from gateway.labels import Card, Label, card_layout, label_layout, svg
from gateway.labels.layout import Layout
from gateway.provision.minting import Blank, Minted
from gateway.registry.people import TECHNICIAN
from gateway.web.context import Context
from gateway.web.gate import RefusedError, form, visitor_of
from gateway.web.languages import LOCALES, N_

NO_MINT = N_("This gateway makes no keys: flash the board with meetnet flash.")
_LOCAL = ("localhost", "127.0.0.1", "::1", "")


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    minting = Minting(context)
    return [
        context.gate.route(f"/{language}/flash/identity", minting.answer, (TECHNICIAN,), "", ("POST",))
        for language in LOCALES
    ]


class Minting:
    """The handler."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def answer(self, request: Request) -> Response:
        """Make an identity; 409 with the reason when it cannot be."""
        house, accounts, person = self._context.house, self._context.gate.accounts, visitor_of(request).person
        if house is None or house.mint is None or accounts is None or person is None:
            raise RefusedError(404, NO_MINT)
        fields, mint = await form(request), house.mint
        now_ms, language = self._context.clock.now_ms(), self._context.tongue(request).language
        name, board, mac = (fields.get(key, "").strip() for key in ("site_name", "board", "mac"))
        try:
            blank = Blank(
                mac=mac,
                board=board,
                kind=board.partition("_")[2].partition("_")[0],
                transport=fields.get("transport", ""),
                site_id=f"{slug(name)}-{mac[-4:].lower()}",
                site_name=name[:80],
                longitude=_number(fields.get("longitude", "")),
                latitude=_number(fields.get("latitude", "")),
                host=self._host(request),
            )
        except ValueError:
            return _refusal("place: give latitude and longitude as numbers")

        def work() -> Minted:
            made = mint.mint(blank)
            accounts.note(person.id, "identity made", blank.site_id, now_ms, made.dev_eui)
            return made

        try:
            made = await self._context.read(work)
        except GatewayError as error:
            return _refusal(str(error))
        address = self._context.settings.url.rstrip("/")
        join_eui = made.config.get("join_eui")
        label = Label(
            made.dev_eui, blank.kind, name or blank.site_id, self._context.settings.title,
            f"{address}/t/{made.tag}", made.tag, join_eui, language,
        )  # fmt: skip
        found = {
            "dev_eui": made.dev_eui,
            "config": made.config,
            "site_id": blank.site_id,
            "code": made.code,
            "label": _picture(label_layout(label)),
            "card": None,
        }
        if made.code is not None:
            plain = made.code.replace("-", "")
            card = Card(made.code, f"{address}/c/{plain}", name or blank.site_id, language)
            found["card"] = _picture(card_layout(card))
        return JSONResponse(found, headers={"cache-control": "no-store"})

    def _host(self, request: Request) -> str:
        """Return where nodes on Wi-Fi find the broker: the name that people know the gateway by."""
        known = re.sub(r"^https?://", "", self._context.settings.url).partition("/")[0].rpartition(":")
        name = known[0] or known[2]
        return name if name not in _LOCAL else str(request.url.hostname or "")


def _picture(layout: Layout) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg(layout)).decode()


def _refusal(reason: str) -> Response:
    return JSONResponse({"error": reason}, 409, {"cache-control": "no-store"})


def _number(text: str) -> float:
    return float(text.strip().replace(",", "."))


def slug(name: str) -> str:
    """Return a name as it may stand in an id."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40] or "site"
