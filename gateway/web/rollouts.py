"""Updates on their way to nodes, for technicians: begin, who is behind and why, pause, stop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from gateway.errors import UpdateError
from gateway.registry.people import TECHNICIAN
from gateway.update.desk import RolloutDesk, Whole
from gateway.update.progress import Standing
from gateway.web.context import Context
from gateway.web.desk import desk_of
from gateway.web.gate import RefusedError, files, form, visitor_of
from gateway.web.house import Desk
from gateway.web.languages import LOCALES, N_, Tongue
from gateway.web.query import QueryError, refuse_unknown

NO_ROLLOUT = N_("There is no such roll-out.")
NO_UPDATES = N_("This gateway updates no nodes.")
NOT_NOW = N_("That cannot be done with this roll-out now. Load the page again and look how it stands.")
NO_BUNDLE = N_("%(field)s: this file is no bundle. Choose the file that `meetnet update sign` made.")
BAD_BUNDLES = {
    "no_bundle": NO_BUNDLE,
    "damaged": N_("%(field)s: this bundle is cut short or damaged. Copy it again from where it was made."),
    "unsigned": N_(
        "%(field)s: this bundle is not signed with the key of this gateway. "
        "Sign it with `meetnet update sign`."
    ),
    "busy": N_("%(field)s: some of these devices take part in another roll-out. Wait for it, or stop it."),
    "nobody": N_("%(field)s: no device of the kinds that you chose takes updates. Choose another kind."),
}
BAD_HOURS = N_("%(field)s: “%(value)s” is no number of hours from 0 to 720.")
BAD_MINUTES = N_("%(field)s: “%(value)s” is no number of minutes from 5 to 65535.")
KINDS = {
    "application": N_("software"),
    "config": N_("settings"),
    "files": N_("calibrations or models"),
    "base": N_("MicroPython itself"),
}
STATES = {
    "running": (N_("under way"), "fresh"),
    "halted": (N_("paused"), "stale"),
    "stopped": (N_("stopped"), "missing"),
    "done": (N_("done"), "fresh"),
}
HALTED_BY_ITSELF = (N_("halted by itself"), "missing")
HOLDS = {
    "owner": (N_("left out: the owner wants no updates"), "stale"),
    "paused": (N_("not offered: the roll-out does not go on"), "stale"),
    "stage": (N_("waits for the stages before"), "stale"),
    "absent": (N_("not heard for three days; keeps nobody waiting"), "missing"),
    "event": (N_("held back: it rains there, or it is loud"), "stale"),
    "next": (N_("gets it after its next message"), "stale"),
    "loading": (N_("fetches it"), "stale"),
    "quiet": (N_("has it, and waits for a quiet moment to start"), "stale"),
    "trial": (N_("tries it out: not confirmed by the network yet"), "stale"),
    "soak": (N_("keeps it, and is watched"), "fresh"),
    "kept": (N_("keeps it"), "fresh"),
    "refused": (N_("did not take it"), "missing"),
    "back": (N_("went back to what it ran before"), "missing"),
    "unwell": (N_("keeps it, but is not well since"), "missing"),
}
REASONS = {
    "owner": N_("its owner wants none"),
    "signature": N_("it is not signed by who this node trusts"),
    "not_for_this_board": N_("it is for another board"),
    "older": N_("it is older than what runs"),
    "no_room": N_("no room in its flash"),
    "damaged": N_("it came damaged"),
    "not_supported": N_("this node cannot take that kind"),
    "no_key": N_("this node has no update key"),
    "busy": N_("it was busy with another one"),
    "crashed": N_("it crashed"),
    "not_heard": N_("the network did not hear it"),
    "power": N_("its power failed"),
    "battery": N_("its battery is too low"),
    "storage": N_("its memory is at fault"),
    "cancelled": N_("it was called off"),
}
MOST_ROWS = 500
LAGGARDS = ("absent", "event", "loading", "quiet", "trial", "next", "refused", "back", "unwell", "owner")


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    pages = Rollouts(context)

    def route(path: str, handler: Any, method: str = "GET") -> Route:
        return context.gate.route(path, handler, (TECHNICIAN,), "fleet", (method,))

    found = [route("/api/updates.json", pages.json)]
    for language in LOCALES:
        base = f"/{language}/updates"
        found += [
            route(base, pages.show),
            route(base, pages.begin, "POST"),
            route(f"{base}/{{rollout}}", pages.one),
            route(f"{base}/{{rollout}}", pages.act, "POST"),
        ]
    return found


class Rollouts:
    """The handlers."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def show(self, request: Request) -> Response:
        """Show all roll-outs, and the form for another one."""
        refuse_unknown(request.query_params, {"lang"})
        updates, tongue = self._updates(), self._context.tongue(request)

        def read() -> dict[str, Any]:
            return {
                "rollouts": [_whole(one, tongue) for one in updates.all()],
                "kinds": updates.kinds(),
                "refusing": updates.refusing(),
                "has_key": bool(updates.public_key),
            }

        return self._context.html(request, "rollouts.html", await self._context.read(read))

    async def begin(self, request: Request) -> Response:
        """Begin a roll-out with the bundle that was sent."""
        updates, fields = self._updates(), await form(request)
        data = files(request).get("bundle", b"")
        soak_h = _number(fields, "soak", BAD_HOURS, 0, 720)
        trial_min = int(_number(fields, "trial", BAD_MINUTES, 5, 65535))
        kinds = fields.get("kind", "").split()
        now_ms = self._context.clock.now_ms()

        def work() -> str:
            bundle, count = updates.begin(data, kinds, soak_h, trial_min)
            self._note(request, "update begun", bundle.id, now_ms, f"{bundle.kind} {bundle.version}, {count}")
            return bundle.id

        try:
            rollout = await self._context.read(work)
        except UpdateError as error:
            raise QueryError("bundle", "", BAD_BUNDLES.get(error.cause, NO_BUNDLE)) from None
        return self._to(request, rollout)

    async def one(self, request: Request) -> Response:
        """Show one roll-out: stages, who is behind and why."""
        refuse_unknown(request.query_params, {"lang"})
        updates, tongue = self._updates(), self._context.tongue(request)
        desk, now_ms = desk_of(self._context), self._context.clock.now_ms()
        rollout = request.path_params["rollout"]

        def read() -> dict[str, Any] | None:
            found = updates.one(rollout)
            if found is None:
                return None
            devices = found.progress.devices
            behind = [one for one in devices if one.hold in LAGGARDS]
            return {
                "rollout": _whole(found, tongue),
                "stages": [{"n": n + 1, "stage": stage} for n, stage in enumerate(found.progress.stages)],
                "behind": _rows(behind, desk, tongue, now_ms),
                "devices": _rows(devices, desk, tongue, now_ms),
                "more": max(0, len(devices) - MOST_ROWS),
            }

        values = await self._context.read(read)
        if values is None:
            raise RefusedError(404, NO_ROLLOUT)
        return self._context.html(request, "rollout.html", values)

    async def act(self, request: Request) -> Response:
        """Pause, go on, or stop for good."""
        updates, fields = self._updates(), await form(request)
        rollout, act = request.path_params["rollout"], fields.get("act", "")
        acts = {"pause": updates.pause, "resume": updates.resume, "stop": updates.stop}
        now_ms = self._context.clock.now_ms()
        if act not in acts:
            raise RefusedError(400, NOT_NOW)

        def work() -> None:
            acts[act](rollout)
            self._note(request, f"update {act}", rollout, now_ms)

        try:
            await self._context.read(work)
        except UpdateError:
            raise RefusedError(409, NOT_NOW) from None
        return self._to(request, rollout)

    async def json(self, request: Request) -> Response:
        """Answer all roll-outs for programs."""
        updates = self._updates()

        def read() -> list[dict[str, Any]]:
            return [
                {
                    "id": one.id,
                    "kind": one.bundle.kind if one.bundle else None,
                    "version": one.bundle.version if one.bundle else None,
                    "state": one.progress.rollout.state,
                    "reason": one.progress.rollout.reason,
                    "begun_ms": one.progress.rollout.begun_ms,
                    "touched": one.progress.touched,
                    "kept": one.progress.kept,
                    "devices": [
                        {
                            "dev_eui": device.dev_eui,
                            "stage": device.stage + 1,
                            "state": device.state,
                            "hold": device.hold,
                            "reason": device.reason,
                            "since_ms": device.since_ms,
                            "heard_ms": device.heard_ms or None,
                        }
                        for device in one.progress.devices
                    ],
                }
                for one in updates.all()
            ]

        return JSONResponse(await self._context.read(read), headers={"cache-control": "no-store"})

    # -- within

    def _updates(self) -> RolloutDesk:
        house = self._context.house
        if house is None or house.updates is None:
            raise RefusedError(404, NO_UPDATES)
        return house.updates

    def _note(self, request: Request, what: str, rollout: str, now_ms: int, detail: str = "") -> None:
        person, accounts = visitor_of(request).person, self._context.gate.accounts
        assert person is not None
        assert accounts is not None
        accounts.note(person.id, what, rollout, now_ms, detail)

    def _to(self, request: Request, rollout: str) -> Response:
        return RedirectResponse(f"/{self._context.tongue(request).language}/updates/{rollout}", 303)


def _whole(one: Whole, tongue: Tongue) -> dict[str, Any]:
    progress, rollout = one.progress, one.progress.rollout
    is_by_itself = rollout.state == "halted" and not progress.may_resume
    words, grade = HALTED_BY_ITSELF if is_by_itself else STATES[rollout.state]
    n = len(progress.devices)
    return {
        "id": one.id,
        "kind": tongue.gettext(KINDS[one.bundle.kind]) if one.bundle else "–",
        "version": one.bundle.version if one.bundle else "–",
        "kB": tongue.number(len(one.bundle.data) / 1000, 1) if one.bundle else "–",
        "state": tongue.gettext(words),
        "grade": grade,
        "begun": tongue.moment(rollout.begun_ms),
        "n": n,
        "kept": progress.kept,
        "touched": progress.touched,
        "touched_percent": tongue.number(100 * progress.touched / n, 1) if n else "–",
        "soak_h": tongue.number(rollout.soak_s / 3600, 1),
        "trial_min": rollout.trial_min,
        "may_pause": rollout.state == "running",
        "may_resume": progress.may_resume,
        "may_stop": rollout.state in ("running", "halted"),
        "is_by_itself": is_by_itself,
    }


def _rows(devices: Sequence[Standing], desk: Desk, tongue: Tongue, now_ms: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for one in devices[:MOST_ROWS]:
        site = desk.registry.site_of(one.dev_eui, now_ms)
        words, grade = HOLDS[one.hold]
        why = REASONS.get(one.reason)
        rows.append(
            {
                "dev_eui": one.dev_eui,
                "site_id": site.id if site else "",
                "name": site.name if site else "",
                "stage": one.stage + 1,
                "hold": one.hold,
                "words": tongue.gettext(words),
                "why": tongue.gettext(why) if why else "",
                "until": tongue.moment(one.until_ms) if one.until_ms else "",
                "grade": grade,
                "heard": tongue.age(now_ms - one.heard_ms) if one.heard_ms else "–",
            }
        )
    return rows


def _number(fields: dict[str, str], name: str, message: str, least: float, most: float) -> float:
    text = fields.get(name, "").strip()
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = -1.0
    if not least <= value <= most:
        raise QueryError(name, text, message)
    return value
