"""The page that leads a technician through the calibration of a noise node.

It gives the command and the steps, in the reader's language. It does nothing itself: who may command nodes
is who has the gateway's token, on the gateway's own machine.
"""

from __future__ import annotations

import re
import shlex

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.web.context import Context
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


def routes(context: Context) -> list[Route]:
    """Return the routes."""

    async def answer(request: Request) -> Response:
        query = request.query_params
        refuse_unknown(query, FIELDS)
        device = query.get("device", "").strip().lower()
        level = query.get("level", "").strip().replace(",", ".") or "94"
        instrument = query.get("instrument", "").strip()
        command = ""
        if device or instrument:
            command = _command(device, level, instrument)
        values = {
            "device": device,
            "level": level,
            "instrument": instrument,
            "command": command,
            "refusals": REFUSALS,
            "most_characters": INSTRUMENT_MAX,
        }
        return context.html(request, "calibration.html", values)

    return [Route(f"/{language}/{PATH}", answer) for language in LOCALES]


def _command(device: str, level: str, instrument: str) -> str:
    """Return what to type; QueryError names what is wrong."""
    if not re.fullmatch(r"[0-9a-f]{16}", device):
        raise QueryError("device", device, BAD_DEVICE)
    if not re.fullmatch(r"[0-9]{2,3}(\.[0-9]{1,2})?", level) or not LEAST_DB <= float(level) <= MOST_DB:
        raise QueryError("level", level, BAD_LEVEL)
    if not re.fullmatch(rf"[ -~]{{1,{INSTRUMENT_MAX}}}", instrument):
        raise QueryError("instrument", instrument, BAD_INSTRUMENT)
    return f"meetnet noise calibrate {device} --level {level} --instrument {shlex.quote(instrument)}"
