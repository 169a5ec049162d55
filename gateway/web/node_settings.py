"""The form for a node's configuration, made from its one schema: for technicians, and in part for hosts.

It shows what the node told, what is wanted and what waits; wrong values come back with the remedy beside
them. What is sent is on trial at the node first: it goes back by itself when it is not heard with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.config_bench import ConfigBench, Standing, fault_of
from gateway.errors import GatewayError
from gateway.registry.people import HOST, TECHNICIAN
from gateway.web.context import Context
from gateway.web.desk import desk_of
from gateway.web.gate import NOT_YOURS, RefusedError, form, visitor_of
from gateway.web.languages import LOCALES, N_, Tongue
from gateway.web.mine import device_at

MOST_CHANGES = 9  # that fit in one downlink (wire.commands.MAX_SET)
STATES = {
    "queued": N_("waits for the node's next message"),
    "on_trial": N_("the node tries it out"),
    "kept": N_("the node keeps it"),
    "reverted": N_("taken back: the node was not heard with it"),
    "unknown_key": N_("refused: the node's software does not know this yet; update it"),
    "out_of_range": N_("refused: the node's software has another range; update it or choose another value"),
    "busy": N_("refused: the node was still trying an earlier change; send it again"),
    "storage": N_("refused: the node could not store it; its memory is at fault"),
}
GRADES = {"queued": "stale", "on_trial": "stale", "kept": "fresh"}
WRONG = {
    "whole": N_("This is no whole number."),
    "range": N_("This is outside %(low)s to %(high)s."),
}
NO_DEVICE = N_("No device is at this site.")
NOT_SENT = N_("The node cannot be asked now: it was never heard, or its network is away. Try again later.")
TOO_MANY = N_("Change at most nine values at a time.")


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    found: list[Route] = []
    for role, scope, page, keys in ((TECHNICIAN, "fleet", "fleet", False), (HOST, "own", "mine", True)):
        settings = NodeSettings(context, page, keys)
        for language in LOCALES:
            base = f"/{language}/{page}/{{site_id}}/settings"
            found += [
                context.gate.route(base, settings.show, (role,), scope),
                context.gate.route(base, settings.save, (role,), scope, ("POST",)),
                context.gate.route(f"{base}/ask", settings.ask, (role,), scope, ("POST",)),
            ]
    return found


@dataclass(frozen=True, slots=True)
class _Place:
    site_id: str
    name: str
    dev_eui: str


class NodeSettings:
    """The handlers. is_hosts: only the keys that a host may change, at sites that are his."""

    def __init__(self, context: Context, page: str, is_hosts: bool) -> None:
        self._context = context
        self._page = page
        self._is_hosts = is_hosts

    async def show(self, request: Request) -> Response:
        """Show the form."""
        return await self._form(request, await self._place(request))

    async def save(self, request: Request) -> Response:
        """Send what was changed, or show what is wrong with it."""
        place, bench = await self._place(request), self._bench()
        fields = await form(request)
        standing = await self._standing(place)
        texts = {one.key.name: fields.get(one.key.name, "").strip() for one in standing}
        faults = {
            one.key.name: fault
            for one in standing
            if texts[one.key.name] and (fault := fault_of(one.key, texts[one.key.name])) is not None
        }
        if faults:
            return await self._form(request, place, texts, faults, status=400)
        changes = {
            one.key.name: int(texts[one.key.name])
            for one in standing
            if texts[one.key.name] and int(texts[one.key.name]) != one.now
        }
        if len(changes) > MOST_CHANGES:
            return await self._form(request, place, texts, notice=TOO_MANY, status=400)
        if changes:
            person, accounts = visitor_of(request).person, self._context.gate.accounts
            assert person is not None
            assert accounts is not None
            try:
                await bench.change(place.dev_eui, changes, f"person:{person.id}")
            except GatewayError:
                return await self._form(request, place, texts, notice=NOT_SENT, status=409)
            told = " ".join(f"{name}={value}" for name, value in changes.items())
            now_ms = self._context.clock.now_ms()
            await self._context.read(
                lambda: accounts.note(person.id, "node settings", place.site_id, now_ms, told)
            )
        return self._back(request, place)

    async def ask(self, request: Request) -> Response:
        """Ask the node what it runs with."""
        place = await self._place(request)
        await form(request)
        names = [one.key.name for one in await self._standing(place)]
        try:
            await self._bench().ask(place.dev_eui, names)
        except GatewayError:
            return await self._form(request, place, notice=NOT_SENT, status=409)
        return self._back(request, place)

    # -- within

    async def _form(
        self,
        request: Request,
        place: _Place,
        texts: Mapping[str, str] | None = None,
        faults: Mapping[str, str] | None = None,
        notice: str = "",
        status: int = 200,
    ) -> Response:
        tongue = self._context.tongue(request)
        rows = [
            _row(one, (texts or {}).get(one.key.name), (faults or {}).get(one.key.name), tongue)
            for one in await self._standing(place)
        ]
        values = {
            "where": place,
            "base": f"/{tongue.language}/{self._page}/{quote(place.site_id)}",
            "rows": rows,
            "n_faults": sum(bool(row["fault"]) for row in rows),
            "is_pending": any(row["is_pending"] for row in rows),
            "notice": notice,
        }
        return self._context.html(request, "node_settings.html", values, status)

    async def _standing(self, place: _Place) -> Sequence[Standing]:
        found = await self._context.read(lambda: self._bench().standing(place.dev_eui))
        return [one for one in found if one.key.is_hosts or not self._is_hosts]

    def _bench(self) -> ConfigBench:
        house = self._context.house
        if house is None or house.settings is None:
            raise RefusedError(404, NO_DEVICE)
        return house.settings

    async def _place(self, request: Request) -> _Place:
        site_id, desk = request.path_params["site_id"], desk_of(self._context)
        if self._is_hosts and not visitor_of(request).hosts(site_id):
            raise RefusedError(403, NOT_YOURS)
        now_ms = self._context.clock.now_ms()
        site, dev_eui = await self._context.read(
            lambda: (desk.registry.site(site_id), device_at(desk, site_id, now_ms))
        )
        if site is None or dev_eui is None:
            raise RefusedError(404, NO_DEVICE)
        return _Place(site_id, site.name, dev_eui)

    def _back(self, request: Request, place: _Place) -> Response:
        language = self._context.tongue(request).language
        return RedirectResponse(f"/{language}/{self._page}/{quote(place.site_id)}/settings", 303)


def _row(one: Standing, text: str | None, fault: str | None, tongue: Tongue) -> dict[str, Any]:
    rules, language = one.key.rules, tongue.language
    low, high = rules["minimum"], rules["maximum"]
    words = ""
    if fault is not None:
        words = tongue.gettext(WRONG[fault]) % {"low": low, "high": high}
    return {
        "name": one.key.name,
        "title": one.key.title[language],
        "remedy": one.key.remedy[language],
        "unit": one.key.unit,
        "low": low,
        "high": high,
        "value": one.now if text is None else text,
        "reported": one.reported,
        "reported_at": "" if one.reported_ms is None else tongue.moment(one.reported_ms),
        "wanted": one.wanted,
        "state": tongue.gettext(STATES[one.state]) if one.state in STATES else one.state,
        "grade": GRADES.get(one.state, "missing"),
        "is_pending": one.is_pending,
        "fault": words,
    }
