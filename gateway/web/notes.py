"""Notes beside a chart: by hosts and staff, for themselves or for everybody, drawn on the time they mean."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from gateway import exports
from gateway.errors import RegistryError
from gateway.registry.notes import MOST_LETTERS, Note, NoteBook
from gateway.registry.people import HOST, OPERATOR, STAFF
from gateway.web.context import Context
from gateway.web.gate import NOT_YOURS, RefusedError, Visitor, form, local_path, visitor_of
from gateway.web.languages import LOCALES, N_, Tongue
from gateway.web.query import QueryError, choice, known, refuse_unknown, span

NO_NOTES = N_("This gateway keeps no notes.")
NO_NOTE = N_("There is no such note.")
BAD_TEXT = N_("%(field)s: write 1 to %(most)d letters.")
BAD_MOMENT = N_("%(field)s: “%(value)s” is no day and time. Write for example 2026-07-18T20:00.")
BAD_SPAN = N_("%(field)s: must not lie before “from”, and not in the future.")
COLUMNS = ("site_id", "from", "to", "note")
AHEAD_MS = 86_400_000  # a clock that is wrong, not a plan
HOUR_MS = 3_600_000
OPEN = {"access-control-allow-origin": "*", "cache-control": "no-cache"}
MOST_SHOWN = 50
LONGEST_MS = 100 * 366 * 86_400_000


def routes(context: Context) -> list[Route]:
    """Return the routes."""
    notes = Notes(context)
    found = [
        context.gate.route("/api/notes.csv", notes.csv),
        context.gate.route("/api/notes.json", notes.json),
    ]
    for language in LOCALES:
        base = f"/{language}/site/{{site_id}}/notes"
        found += [
            context.gate.route(base, notes.add, (HOST, STAFF), "own", ("POST",)),
            context.gate.route(f"{base}/remove", notes.remove, (HOST, STAFF), "own", ("POST",)),
        ]
    return found


def may_write(visitor: Visitor, site_id: str) -> bool:
    """Tell whether somebody may write beside the charts of a site: its hosts, and staff."""
    return visitor.hosts(site_id) or visitor.has(STAFF)


def book_of(context: Context) -> NoteBook | None:
    """Return the notes, None where there are none."""
    return context.house.notes if context.house else None


def shown(
    book: NoteBook | None, site_id: str, from_ms: int, to_ms: int, visitor: Visitor, tongue: Tongue
) -> list[dict[str, Any]]:
    """Return what somebody sees of the notes of a site that touch a time, by time, numbered. Blocks."""
    if book is None:
        return []
    is_writer = may_write(visitor, site_id)
    rows = book.of([site_id], from_ms, to_ms, public_only=not is_writer)[-MOST_SHOWN:]
    return [
        {
            "n": n,
            "id": one.id,
            "from": one.from_ms / 1000,
            "to": one.to_ms / 1000,
            "when": _when(one, tongue),
            "text": one.text,
            "is_public": one.is_public,
            "may_remove": is_writer and _may_remove(visitor, one),
        }
        for n, one in enumerate(rows, 1)
    ]


def for_chart(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what the chart draws of notes: times in seconds, number, text."""
    return [{name: row[name] for name in ("n", "from", "to", "text")} for row in rows]


def text_at(notes: Sequence[Note], site_id: str, at_ms: int) -> str:
    """Return what notes say of a moment of a site, for a column of a file."""
    return "; ".join(one.text for one in notes if one.site_id == site_id and one.holds(at_ms))


class Notes:
    """The handlers."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def add(self, request: Request) -> Response:
        """Write a note."""
        context, book, site_id = self._context, self._book(), request.path_params["site_id"]
        visitor, fields, tongue = visitor_of(request), await form(request), context.tongue(request)
        if not may_write(visitor, site_id):
            raise RefusedError(403, NOT_YOURS)
        person, accounts, now_ms = visitor.person, context.gate.accounts, context.clock.now_ms()
        assert person is not None
        assert accounts is not None
        from_ms = moment(fields, "from", tongue)
        to_ms = moment(fields, "to", tongue) if fields.get("to", "").strip() else from_ms
        if to_ms < from_ms or from_ms > now_ms + AHEAD_MS:
            raise QueryError("to", fields.get("to", ""), BAD_SPAN)
        text = fields.get("text", "").strip()

        def work() -> None:
            book.add(site_id, from_ms, to_ms, text, fields.get("public") == "yes", person.id, now_ms)
            accounts.note(person.id, "note written", site_id, now_ms)

        try:
            await context.read(work)
        except RegistryError:
            raise QueryError("text", text, BAD_TEXT, most=MOST_LETTERS) from None
        return self._back(request, fields, site_id)

    async def remove(self, request: Request) -> Response:
        """Remove a note: its writer, a host of the site, or an operator."""
        context, book, site_id = self._context, self._book(), request.path_params["site_id"]
        visitor, fields = visitor_of(request), await form(request)
        text = fields.get("id", "")
        note_id = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
        person, accounts, now_ms = visitor.person, context.gate.accounts, context.clock.now_ms()
        assert person is not None
        assert accounts is not None
        note = await context.read(lambda: book.note(note_id))
        if note is None or note.site_id != site_id:
            raise RefusedError(404, NO_NOTE)
        if not _may_remove(visitor, note):
            raise RefusedError(403, NOT_YOURS)

        def work() -> None:
            book.remove(note_id)
            accounts.note(person.id, "note removed", site_id, now_ms)

        await context.read(work)
        return self._back(request, fields, site_id)

    async def csv(self, request: Request) -> Response:
        """Answer the public notes of a time as CSV."""
        rows = await self._public(request, {"decimal"})
        comma = choice(request.query_params, "decimal", ("point", "comma")) == "comma"
        out = io.StringIO(newline="")
        writer = csv.writer(out, delimiter=";" if comma else ",")
        writer.writerow(COLUMNS)
        for one in rows:
            times = exports.iso_utc(one.from_ms), exports.iso_utc(one.to_ms)
            writer.writerow((one.site_id, *times, exports.plain_text(one.text)))
        headers = {**OPEN, "content-disposition": 'attachment; filename="meetnet-notes.csv"'}
        text = ("\ufeff" if comma else "") + out.getvalue()
        return Response(text, media_type="text/csv; charset=utf-8; header=present", headers=headers)

    async def json(self, request: Request) -> Response:
        """Answer the public notes of a time for programs."""
        found = [
            {
                "site_id": one.site_id,
                "from": exports.iso_utc(one.from_ms),
                "to": exports.iso_utc(one.to_ms),
                "note": one.text,
            }
            for one in await self._public(request, set())
        ]
        return JSONResponse({"notes": found}, headers=OPEN)

    # -- within

    async def _public(self, request: Request, others: set[str]) -> list[Note]:
        context, query, book = self._context, request.query_params, book_of(self._context)
        refuse_unknown(query, {"site", "from", "to", "lang"} | others)
        from_ms, to_ms = span(query, context.clock.now_ms(), LONGEST_MS)
        sites = {site.site_id for site in (await context.read(context.now.snapshot)).sites}
        wish = known(query, "site", sites)
        if book is None:
            return []
        return await context.read(lambda: book.of([wish] if wish else sorted(sites), from_ms, to_ms - 1))

    def _book(self) -> NoteBook:
        book = book_of(self._context)
        if book is None:
            raise RefusedError(404, NO_NOTES)
        return book

    def _back(self, request: Request, fields: dict[str, str], site_id: str) -> Response:
        default = f"/{self._context.tongue(request).language}/site/{site_id}"
        return RedirectResponse(local_path(fields.get("back", ""), default), 303)


def moment(fields: Mapping[str, str], name: str, tongue: Tongue) -> int:
    """Return a local time of a form in ms; raise QueryError."""
    text = fields.get(name, "")
    try:
        return tongue.local_ms(text)
    except ValueError:
        raise QueryError(name, text, BAD_MOMENT) from None


def defaults(now_ms: int, tongue: Tongue) -> dict[str, str]:
    """Return the times that the form begins with: the last hour."""
    return {"note_from": tongue.field(now_ms - HOUR_MS), "note_to": tongue.field(now_ms)}


def _may_remove(visitor: Visitor, note: Note) -> bool:
    person = visitor.person
    return person is not None and (
        note.person == person.id or visitor.hosts(note.site_id) or OPERATOR in visitor.roles
    )


def _when(note: Note, tongue: Tongue) -> str:
    first = tongue.moment(note.from_ms)
    return first if note.to_ms == note.from_ms else f"{first} – {tongue.moment(note.to_ms)}"
