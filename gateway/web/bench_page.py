"""The bench as a page: which board is at which port, pass or fail while it happens, labels to print; and the
journal of commissioning, every visit at a pole with what it found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.commissioning.words import title
from gateway.labels import Label, label_layout, pdf
from gateway.provision.benchbook import BenchBook, Board, Run
from gateway.registry.people import TECHNICIAN
from gateway.web.bench_words import REMEDIES
from gateway.web.context import Context
from gateway.web.desk import desk_of
from gateway.web.fleet import GRADES
from gateway.web.gate import RefusedError
from gateway.web.house import Desk
from gateway.web.languages import LOCALES, N_, Tongue
from gateway.web.query import refuse_unknown, whole

NO_BENCH = N_("This gateway has no bench.")
NO_LABEL = N_("No board of this run is done yet: there is nothing to print.")
STEPS = {
    "looking": (N_("is looked at"), "stale"),
    "writing": (N_("is being written"), "stale"),
    "testing": (N_("tests itself"), "stale"),
    "registering": (N_("is registered"), "stale"),
    "green": (N_("done: plug in the next"), "fresh"),
    "already": (N_("was done before: plug in the next"), "fresh"),
    "red": (N_("failed"), "missing"),
}
WHOLE = ("green", "already")
SILENT_MS = 600_000  # a run that tells nothing for so long was cut off, or waits for boards
MOST_REPORTS = 200
FIELDS = {"run", "lang"}


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    pages = BenchPage(context)

    def route(path: str, handler: Any) -> Route:
        return context.gate.route(path, handler, (TECHNICIAN,), "fleet")

    found = [route("/api/bench.json", pages.json), route("/api/bench/labels.pdf", pages.labels)]
    for language in LOCALES:
        found += [
            route(f"/{language}/bench", pages.show),
            route(f"/{language}/part/bench", pages.part),
            route(f"/{language}/commissioning", pages.journal),
        ]
    return found


class BenchPage:
    """The handlers."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def show(self, request: Request) -> Response:
        """Show a run of the bench; the newest when none is named."""
        return self._context.html(request, "bench.html", await self._values(request))

    async def part(self, request: Request) -> Response:
        """Answer what is at the ports, alone."""
        return self._context.html(request, "bench_boards.html", await self._values(request))

    async def json(self, request: Request) -> Response:
        """Answer a run for programs."""
        refuse_unknown(request.query_params, FIELDS)
        bench, wanted = self._bench(), whole(request.query_params, "run", 0, 0, 2**31)

        def read() -> dict[str, Any]:
            run = _run(bench.runs(), wanted)
            if run is None:
                return {"run": None, "boards": [], "tries": []}
            return {
                "run": {name: getattr(run, name) for name in Run.__slots__},
                "boards": [_plain(one) for one in bench.boards(run.id)],
                "tries": [_plain(one) for one in bench.tries(run.id)],
            }

        return JSONResponse(await self._context.read(read), headers={"cache-control": "no-store"})

    async def labels(self, request: Request) -> Response:
        """Answer the labels of a run, or of one device of it, as a PDF with a page each."""
        context, desk, bench = self._context, desk_of(self._context), self._bench()
        query, language = request.query_params, context.tongue(request).language
        refuse_unknown(query, FIELDS | {"device"})
        wanted, device, now_ms = (
            whole(query, "run", 0, 0, 2**31),
            query.get("device", ""),
            context.clock.now_ms(),
        )

        def work() -> bytes | None:
            run = _run(bench.runs(), wanted)
            done = {one.dev_eui for one in bench.tries(run.id) if one.step in WHOLE} if run else set[str]()
            layouts = [
                label_layout(label)
                for dev_eui in sorted(done & {device} if device else done)
                if (label := self._label(desk, dev_eui, language, now_ms)) is not None
            ]
            return pdf(layouts) if layouts else None

        content = await context.read(work)
        if content is None:
            raise RefusedError(404, NO_LABEL)
        headers = {
            "content-disposition": 'inline; filename="meetnet-labels.pdf"',
            "cache-control": "no-store",
        }
        return Response(content, media_type="application/pdf", headers=headers)

    async def journal(self, request: Request) -> Response:
        """Show every visit that was filed, newest first."""
        refuse_unknown(request.query_params, {"lang"})
        context, desk = self._context, desk_of(self._context)
        tongue, accounts = context.tongue(request), context.gate.accounts
        assert accounts is not None

        def read() -> list[dict[str, Any]]:
            people = {str(one.id): one.name or one.email for one in accounts.people()}
            names = {site.id: site.name for site in desk.registry.sites()}
            return [
                {
                    "key": one.key,
                    "site_id": one.site_id,
                    "name": names.get(one.site_id, one.site_id),
                    "dev_eui": one.dev_eui,
                    "at": tongue.moment(one.at_ms),
                    "who": people.get(one.technician, one.technician),
                    "passed": one.passed,
                    "failing": [
                        {"title": title(check.name, tongue.language), "grade": GRADES[check.verdict]}
                        for check in one.checks
                        if check.verdict in ("red", "amber")
                    ],
                    "note": one.note,
                    "photo": one.photo is not None,
                }
                for one in desk.reports.newest(MOST_REPORTS)
            ]

        return context.html(request, "commissioning.html", {"reports": await context.read(read)})

    # -- within

    def _bench(self) -> BenchBook:
        house = self._context.house
        if house is None or house.bench is None:
            raise RefusedError(404, NO_BENCH)
        return house.bench

    async def _values(self, request: Request) -> dict[str, Any]:
        query = request.query_params
        refuse_unknown(query, FIELDS)
        bench, desk, tongue = self._bench(), desk_of(self._context), self._context.tongue(request)
        wanted, now_ms = whole(query, "run", 0, 0, 2**31), self._context.clock.now_ms()

        def read() -> dict[str, Any]:
            runs = bench.runs()
            run = _run(runs, wanted)
            boards = bench.boards(run.id) if run else []
            tries = bench.tries(run.id) if run else []
            return {
                "run": _shown(run, tongue, now_ms) if run else None,
                "runs": [(one.id, one.name, tongue.moment(one.begun_ms)) for one in runs],
                "boards": [_board(one, desk, tongue, now_ms) for one in boards],
                "tries": [_board(one, desk, tongue, now_ms) for one in tries],
                "red": sum(one.step == "red" for one in tries),
                "has_labels": any(one.step in WHOLE for one in tries),
            }

        return await self._context.read(read)

    def _label(self, desk: Desk, dev_eui: str, language: str, now_ms: int) -> Label | None:
        device, site = desk.registry.device(dev_eui), desk.registry.site_of(dev_eui, now_ms)
        if device is None:
            return None
        settings, tag = self._context.settings, desk.claims.tag_of(dev_eui)
        name, url = site.name if site else dev_eui, settings.url.rstrip("/")
        return Label(
            dev_eui, device.kind, name, settings.owner or settings.title, f"{url}/t/{tag}", tag,
            device.join_eui, language,
        )  # fmt: skip


def _run(runs: Sequence[Run], wanted: int) -> Run | None:
    if not wanted:
        return runs[0] if runs else None
    return next((one for one in runs if one.id == wanted), None)


def _shown(run: Run, tongue: Tongue, now_ms: int) -> dict[str, Any]:
    return {
        "id": run.id,
        "name": run.name,
        "total": run.total,
        "done": run.done,
        "begun": tongue.moment(run.begun_ms),
        "is_on": run.ended_ms is None and now_ms - run.seen_ms < SILENT_MS,
        "was_cut": run.ended_ms is None and now_ms - run.seen_ms >= SILENT_MS,
    }


def _board(one: Board, desk: Desk, tongue: Tongue, now_ms: int) -> dict[str, Any]:
    words, grade = STEPS.get(one.step, (one.step, "stale"))
    site = desk.registry.site_of(one.dev_eui, now_ms) if one.dev_eui and one.step in WHOLE else None
    return {
        "port": one.port,
        "row": one.row,
        "dev_eui": one.dev_eui,
        "mac": one.mac,
        "step": one.step,
        "words": tongue.gettext(words),
        "grade": grade,
        "percent": round(100 * one.share) if one.step == "writing" else None,
        "remedy": tongue.gettext(REMEDIES[one.code]) if one.code in REMEDIES else "",
        "reason": one.reason,
        "tested": one.tested,
        "name": site.name if site else "",
        "site_id": site.id if site else "",
        "at": tongue.clock(one.at_ms),
        "has_label": one.step in WHOLE,
    }


def _plain(one: Board) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Board.__slots__}
