"""For operators: the configuration and the outlets with what platforms refused."""

from __future__ import annotations

import math
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from gateway.errors import ConfigError
from gateway.registry.people import OPERATOR
from gateway.settings import FLAG, Value, toml_value
from gateway.units import unit
from gateway.web.context import Context
from gateway.web.gate import RefusedError, form, visitor_of
from gateway.web.house import PAGE, Item, Office
from gateway.web.languages import LOCALES, N_, Tongue
from gateway.web.query import QueryError, refuse_unknown
from gateway.web.signing import NO_ACCOUNTS
from gateway.web.words import quantity

REFUSED_VALUE = N_("%(field)s: “%(value)s” is not taken: %(why)s")
BAD_NUMBER = N_("%(field)s: “%(value)s” is no number. Write for example 21,5.")
NO_OUTLET = N_("There is no such outlet.")
AGAIN_S = 5  # until the pages have started again
NOTHING_CHOSEN = N_("Tick at least one line.")


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    pages = OfficePages(context)

    def route(path: str, handler: Any, method: str = "GET") -> Route:
        return context.gate.route(path, handler, (OPERATOR,), "operator", (method,))

    found = [
        route("/api/operator/configuration", pages.configuration_json),
        route("/api/operator/outlets", pages.outlets_json),
    ]
    for language in LOCALES:
        base = f"/{language}/operator"
        found += [
            route(f"{base}/configuration", pages.configuration),
            route(f"{base}/configuration", pages.change, "POST"),
            route(f"{base}/outlets/{{name}}", pages.outlet),
            route(f"{base}/outlets/{{name}}", pages.work, "POST"),
        ]
    return found


class OfficePages:
    """The handlers."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def configuration(self, request: Request) -> Response:
        """Show every setting."""
        refuse_unknown(request.query_params, {"lang"})
        office = self._office()
        trouble = await self._context.read(office.trouble)
        rows = [] if trouble else await self._context.read(office.settings)
        sections: dict[str, list[dict[str, Any]]] = {}
        for one in rows:
            sections.setdefault(one.setting.key.partition(".")[0], []).append(
                {
                    "setting": one.setting,
                    "running": toml_value(one.running),
                    "coming": toml_value(one.coming) if one.coming != one.running else "",
                    "text": _for_form(one.coming),
                    "is_default": one.running == one.setting.default,
                    "may_change": one.may_change,
                    "is_flag": one.setting.kind == FLAG,
                    "effect": one.effect,
                }
            )
        values = {"sections": sections, "trouble": trouble}
        return self._context.html(request, "configuration.html", values)

    async def configuration_json(self, request: Request) -> Response:
        """Answer every setting for programs."""
        office = self._office()
        rows = await self._context.read(office.settings)
        found = [
            {
                "key": one.setting.key,
                "running": one.running,
                "in_file": one.coming,
                "takes_effect": one.effect,
                "default": one.setting.default,
                "allowed": one.setting.allowed,
                "may_change": one.may_change,
            }
            for one in rows
        ]
        return JSONResponse(found, headers={"cache-control": "no-store"})

    async def change(self, request: Request) -> Response:
        """Change one setting, and run with it where that needs no restart."""
        fields, office = await form(request), self._office()
        key, text = fields.get("key", ""), fields.get("value", "")
        try:
            old, new = await self._context.read(lambda: office.change(key, text))
            effect = await office.take_up(key, old)
        except ConfigError as error:
            why = str(error).partition(": ")[2] or str(error)
            raise QueryError(key[:60] or "key", text, REFUSED_VALUE, why=why) from None
        await self._note(request, "setting changed", key, f"{toml_value(old)} -> {toml_value(new)}")
        back = f"/{self._context.tongue(request).language}/operator/configuration"
        if effect == PAGE:  # whoever follows a redirect at once finds nobody there
            answer = self._context.html(request, "page_starts_again.html", {"back": back, "key": key})
            answer.headers["refresh"] = f"{AGAIN_S}; url={back}"
            return answer
        return RedirectResponse(back, 303)

    async def outlets_json(self, request: Request) -> Response:
        """Answer the outlets with their state."""
        found = await self._outlets()
        return JSONResponse(found, headers={"cache-control": "no-store"})

    async def outlet(self, request: Request) -> Response:
        """Show an outlet and what its platform refused."""
        return await self._show(request, None)

    async def work(self, request: Request) -> Response:
        """Drop, mend or send again what is on the side list."""
        fields, office = await form(request), self._office()
        name, act = request.path_params["name"], fields.get("act", "")
        ids = fields.get("item", "").split()
        if not ids:
            raise RefusedError(400, NOTHING_CHOSEN)
        tongue = self._context.tongue(request)
        if act == "drop":
            n = await self._context.read(lambda: office.drop(name, ids))
            await self._note(request, "side list dropped", name, str(n))
            told = tongue.ngettext("%(num)d line dropped.", "%(num)d lines dropped.", n) % {"num": n}
        elif act == "mend":
            text = fields.get("value", "").strip()
            try:
                value = float(text.replace(",", "."))
            except ValueError:
                value = math.nan
            if not math.isfinite(value):
                raise QueryError("value", text, BAD_NUMBER)
            n = int(await self._context.read(lambda: office.mend(name, ids[0], value)))
            await self._note(request, "side list mended", name, f"{value:g}")
            told = tongue.ngettext("%(num)d line mended.", "%(num)d lines mended.", n) % {"num": n}
        elif act == "retry":
            n, again = await office.retry(name, ids)
            await self._note(request, "side list sent again", name, f"{n} done, {again} refused")
            told = tongue.gettext(N_("Sent again: %(done)s taken, %(again)s refused.")) % {
                "done": str(n),
                "again": str(again),
            }
        else:
            raise RefusedError(400, NOTHING_CHOSEN)
        return await self._show(request, told)

    # -- within

    async def _show(self, request: Request, told: str | None) -> Response:
        refuse_unknown(request.query_params, {"lang"})
        name, tongue = request.path_params["name"], self._context.tongue(request)
        outlet = next((one for one in await self._outlets() if one["name"] == name), None)
        if outlet is None:
            raise RefusedError(404, NO_OUTLET)
        items = await self._context.read(lambda: self._office().items(name))
        values = {"outlet": outlet, "items": [_item(one, tongue) for one in items], "told": told}
        return self._context.html(request, "outlet.html", values)

    async def _outlets(self) -> list[dict[str, Any]]:
        house = self._context.house
        states = house.publishers() if house else {}
        found = await self._context.read(self._office().outlets)
        return [{**one, "state": states.get(one["name"], {})} for one in found]

    async def _note(self, request: Request, action: str, subject: str, detail: str) -> None:
        accounts, person = self._context.gate.accounts, visitor_of(request).person
        assert accounts is not None  # the gate lets nobody else through
        assert person is not None
        now_ms = self._context.clock.now_ms()
        await self._context.read(lambda: accounts.note(person.id, action, subject, now_ms, detail))

    def _office(self) -> Office:
        house = self._context.house
        if house is None or house.office is None:
            raise RefusedError(404, NO_ACCOUNTS)
        return house.office


def _for_form(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(value) if isinstance(value, tuple) else f"{value}"


def _item(item: Item, tongue: Tongue) -> dict[str, Any]:
    row = item.row
    return {
        "id": item.id,
        "site": row.site_id,
        "label": tongue.gettext(quantity(row.quantity).label),
        "value": f"{tongue.number(row.value, 2)} {unit(row.unit).symbol}",
        "at": tongue.moment(row.observed_at_ms),
        "reason": item.reason,
    }
