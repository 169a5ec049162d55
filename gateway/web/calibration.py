"""The page that leads a technician through the calibration of a noise node, in the reader's language.

Everybody may read the steps and the command. Who is signed in as a technician starts the calibration here and
sees what came of it.
"""

from __future__ import annotations

import re
import shlex
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.errors import GatewayError
from gateway.registry.people import TECHNICIAN
from gateway.web.context import Context
from gateway.web.gate import RefusedError, form, visitor_of
from gateway.web.house import NoiseBench
from gateway.web.languages import LOCALES, N_
from gateway.web.query import QueryError, refuse_unknown
from wire.sound import INSTRUMENT_MAX

PATH = "noise-calibration"
FIELDS = {"device", "level", "instrument", "lang"}
LEAST_DB, MOST_DB = 80.0, 124.0

BAD_DEVICE = N_("%(field)s: “%(value)s” is no DevEUI. Copy the 16 hexadecimal digits of the label.")
BAD_LEVEL = N_("%(field)s: “%(value)s” is not a level of a calibrator. Write 80 to 124, for example 94.")
BAD_INSTRUMENT = N_("%(field)s: “%(value)s” does not fit. Write at most 24 plain letters and digits.")

# What the node may answer (gateway.cli.noise.REASONS), and what to do then.
REFUSALS = (
    N_("Not steady: wait until the calibrator has settled, and keep it still."),
    N_("Not 1 kHz: seat the coupler again, and check the calibrator's battery."),
    N_("Too far off: check the level, the coupler, and the sensitivity in the configuration."),
    N_("Meter fault: the status of the node names it; look at the wiring of the microphone."),
)


NOT_ASKED = N_("The node could not be asked: is it registered as a noise node, and was it ever heard?")
OUTCOMES = {
    "done": N_("calibrated"),
    "not_steady": N_("not steady"),
    "not_1khz": N_("not 1 kHz"),
    "too_far": N_("too far off"),
    "meter_fault": N_("meter fault"),
    "not_kept": N_("not kept"),
}


def routes(context: Context) -> list[Route]:
    """Return the routes."""

    async def answer(request: Request) -> Response:
        refuse_unknown(request.query_params, FIELDS | {"asked"})
        return await _page(context, request)

    async def start(request: Request) -> Response:
        bench = _bench(context)
        if bench is None:
            raise RefusedError(404, NOT_ASKED)
        device, level, instrument = _fields(await form(request))
        _command(device, level, instrument)
        try:
            await bench.calibrate(device, float(level), instrument)
        except GatewayError as error:
            raise RefusedError(409, NOT_ASKED) from error
        words = {"device": device, "level": level, "instrument": instrument, "asked": "1"}
        language = context.tongue(request).language
        return RedirectResponse(f"/{language}/{PATH}?{urlencode(words)}", 303)

    route = context.gate.route
    return [
        *(route(f"/{language}/{PATH}", answer) for language in LOCALES),
        *(
            route(f"/{language}/{PATH}/start", start, (TECHNICIAN,), methods=("POST",))
            for language in LOCALES
        ),
    ]


def _bench(context: Context) -> NoiseBench | None:
    return context.house.noise if context.house else None


def _fields(given: Any) -> tuple[str, str, str]:
    device = given.get("device", "").strip().lower()
    level = given.get("level", "").strip().replace(",", ".") or "94"
    return device, level, given.get("instrument", "").strip()


async def _page(context: Context, request: Request) -> Response:
    device, level, instrument = _fields(request.query_params)
    command = _command(device, level, instrument) if device or instrument else ""
    bench = _bench(context) if command and visitor_of(request).has(TECHNICIAN) else None
    tongue = context.tongue(request)
    rows: list[dict[str, str]] = []
    if bench is not None:
        found = await context.read(lambda: bench.calibrations(device))
        rows = [
            {
                "at": f"{tongue.day(row.at_ms)}, {tongue.moment(row.at_ms)}",
                "outcome": tongue.gettext(OUTCOMES[row.outcome]) if row.outcome in OUTCOMES else row.outcome,
                "level": tongue.number(row.level_db, 2),
                "correction": tongue.number(row.correction_db, 2),
                "instrument": row.instrument,
            }
            for row in reversed(found)
        ]
    values = {
        "device": device,
        "level": level,
        "instrument": instrument,
        "command": command,
        "refusals": REFUSALS,
        "most_characters": INSTRUMENT_MAX,
        "may_start": bench is not None,
        "asked": request.query_params.get("asked") == "1",
        "calibrations": rows,
    }
    return context.html(request, "calibration.html", values)


def _command(device: str, level: str, instrument: str) -> str:
    """Return what to type; QueryError names what is wrong."""
    if not re.fullmatch(r"[0-9a-f]{16}", device):
        raise QueryError("device", device, BAD_DEVICE)
    if not re.fullmatch(r"[0-9]{2,3}(\.[0-9]{1,2})?", level) or not LEAST_DB <= float(level) <= MOST_DB:
        raise QueryError("level", level, BAD_LEVEL)
    if not re.fullmatch(rf"[ -~]{{1,{INSTRUMENT_MAX}}}", instrument):
        raise QueryError("instrument", instrument, BAD_INSTRUMENT)
    return f"meetnet noise calibrate {device} --level {level} --instrument {shlex.quote(instrument)}"
