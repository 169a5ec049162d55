"""The page that puts firmware on a board from a browser, and the images that it writes.

Images are prepared by `meetnet flash web`: a folder a board with a manifest.json as ESP Web Tools defines it
(https://esphome.github.io/esp-web-tools) and the parts that it names. They hold no key and no configuration:
a node that is flashed again takes both from its NVS.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.registry.people import TECHNICIAN
from gateway.web.context import Context
from gateway.web.gate import visitor_of
from gateway.web.languages import LOCALES, N_, Tongue
from gateway.web.query import refuse_unknown

PATH = "flash"
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_TYPES = {".json": "application/json", ".bin": "application/octet-stream"}

# What the page says, by what happened: one sentence with the remedy. wifi_...: names of wire.status.
# {chip}, {version} are filled in there.
WORDS = {
    "ready": N_("Ready when you are."),
    "https": N_(
        "This only works over a secure connection: open this page with https, or on the gateway itself."
    ),
    "browser": N_("This browser cannot reach a USB port: use Chrome, Edge or Firefox on a computer."),
    "no_port": N_("No port was chosen. Is none in the list? Then take another cable: many only charge."),
    "permission": N_("The browser may not use the port: allow it for this page, and try again."),
    "busy": N_("The port is in use: close the other program or tab that has it, and try again."),
    "boot": N_("The board does not answer: hold BOOT, press RESET, let go of BOOT, and try again."),
    "no_build": N_("There is no firmware for this chip ({chip}) here: choose another sensor in the list."),
    "no_image": N_("The gateway does not hand the firmware over: load this page again."),
    "unplugged": N_("The connection was lost: take another cable or another USB port, and try again."),
    "connecting": N_("Looking which board it is…"),
    "writing": N_("Writing version {version}. Leave the cable in…"),
    "starting": N_("Written. The sensor starts…"),
    "silent": N_("The sensor does not answer: press RESET, and try again."),
    "done": N_("Done. You can take the cable out."),
    "done_wifi": N_("Done: the sensor is on your Wi-Fi. You can take the cable out."),
    "wifi_ask": N_("Which Wi-Fi may the sensor use?"),
    "wifi_trying": N_("The sensor tries your Wi-Fi. This takes up to a minute…"),
    "wifi_not_found": N_("The sensor does not see this Wi-Fi: check the name. It must be 2.4 GHz."),
    "wifi_wrong_password": N_("Wrong Wi-Fi password: type it again."),
    "wifi_no_address": N_("The Wi-Fi gives the sensor no address: restart your router, and try again."),
    "wifi_5ghz_only": N_("This Wi-Fi is 5 GHz only: switch 2.4 GHz on in your router."),
    "wifi_security": N_(
        "This Wi-Fi uses a security that the sensor does not know: allow WPA2 in your router."
    ),
    "wifi_other": N_("The sensor cannot get onto this Wi-Fi: move it closer to the router, and try again."),
    "identity": N_("The board is new: the gateway makes its keys…"),
    "identity_refused": N_("The gateway made no keys: {reason}"),
    "identity_kept": N_("This board has an identity already and keeps it."),
    "identity_done": N_("The board has its keys. Print label and card, then take the cable out."),
    "identity_board": N_("The board did not take its keys: press RESET, and try again."),
    "failed": N_("That went wrong. Take the cable out, put it in again, and try once more."),
}


@dataclass(frozen=True, slots=True)
class Flashable:
    """A board that can be flashed: folder, what people read, version of the firmware."""

    name: str
    title: str
    version: str


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    flasher = Flasher(context)
    found = [context.gate.route("/flash/{board}/{part}", flasher.part, is_same_for_all=True)]
    for language in LOCALES:
        found.append(context.gate.route(f"/{language}/{PATH}", flasher.show))
    return found


class Flasher:
    """The handlers."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._folder = context.settings.flasher

    async def show(self, request: Request) -> Response:
        """Answer the page."""
        refuse_unknown(request.query_params, {"lang"})
        tongue = self._context.tongue(request)
        boards = await self._context.read(lambda: flashables(self._folder))
        house = self._context.house
        may_mint = house is not None and house.mint is not None and visitor_of(request).has(TECHNICIAN)
        values = {"boards": boards, "words": words(tongue), "may_mint": may_mint}
        return self._context.html(request, "flasher.html", values)

    async def part(self, request: Request) -> Response:
        """Answer a manifest or a part of an image."""
        board, part = request.path_params["board"], request.path_params["part"]
        if self._folder is None or not (_NAME.fullmatch(board) and _NAME.fullmatch(part)):
            raise HTTPException(404)
        path = self._folder / board / part
        media_type = _TYPES.get(path.suffix)
        if media_type is None:
            raise HTTPException(404)

        def content() -> bytes | None:
            return path.read_bytes() if path.is_file() else None

        found = await self._context.read(content)
        if found is None:
            raise HTTPException(404)
        return Response(found, media_type=media_type, headers={"cache-control": "no-cache"})


def words(tongue: Tongue) -> dict[str, str]:
    """Return what the page says, in a language."""
    return {name: tongue.gettext(message) for name, message in WORDS.items()}


def flashables(folder: Path | None) -> list[Flashable]:
    """Return the boards that are ready in a folder, by name; a manifest that cannot be read is left out."""
    found: list[Flashable] = []
    for path in sorted(folder.glob("*/manifest.json")) if folder is not None else ():
        try:
            manifest: dict[str, Any] = json.loads(path.read_text("utf-8"))
            found.append(Flashable(path.parent.name, str(manifest["name"]), str(manifest["version"])))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found
