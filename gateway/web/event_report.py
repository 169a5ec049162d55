"""The report of an event as PDF: what was allowed, what was measured, and every stretch above."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from gateway.labels.render import use_font
from gateway.registry.events import Event
from gateway.web.event_sound import DUTIES, REGIME_WORDS, Sound, exceedance_rows, limit_words, regime_of
from gateway.web.languages import N_, Tongue

INDICATIVE = N_(
    "Indicative: measured with low-cost microphones, not with a class 1 sound level meter. Means are means "
    "of energy over the minutes before; a mean of which less than three quarters was measured without doubt "
    "is not told."
)


def pdf(
    event: Event,
    found: Sequence[Sound],
    names: dict[str, str],
    now_ms: int,
    tongue: Tongue,
    title: str,
) -> bytes:
    """Return the report. names: of the sites."""
    font = use_font()
    plain = ParagraphStyle("plain", fontName=font, fontSize=9, leading=13)
    head = ParagraphStyle("head", parent=plain, fontSize=16, leading=20, spaceAfter=2 * mm)
    second = ParagraphStyle("second", parent=plain, fontSize=11, leading=15, spaceBefore=5 * mm)
    gettext, regime = tongue.gettext, regime_of(event)

    def say(text: str, style: ParagraphStyle = plain) -> Paragraph:
        return Paragraph(escape(text), style)

    story: list[Any] = [
        say(event.name, head),
        say(f"{tongue.moment(event.from_ms)} – {tongue.moment(event.to_ms)} · {title}"),
        say(gettext(REGIME_WORDS[regime.name])),
        *(say(f"• {limit_words(one, tongue)}") for one in regime.limits),
        *(say(f"• {gettext(DUTIES[one])}") for one in regime.duties),
        *([say(gettext(N_("Source:")) + " " + regime.source)] if regime.source else []),
        Spacer(1, 3 * mm),
        say(gettext(INDICATIVE)),
    ]
    for sound in found:
        story += _sound(sound, names.get(sound.site_id, sound.site_id), tongue, say, second, font)
    if not found:
        story.append(say(gettext(N_("No public site of this event measures what its limits ask for."))))
    made = gettext(N_("Made on %(moment)s")) % {"moment": tongue.moment(now_ms)}
    out = io.BytesIO()

    def foot(canvas: Any, document: Any) -> None:
        canvas.setFont(font, 7)
        canvas.drawString(20 * mm, 10 * mm, f"{event.name} · {made}")
        canvas.drawRightString(190 * mm, 10 * mm, str(document.page))

    document: Any = SimpleDocTemplate(
        out, pagesize=A4, leftMargin=20 * mm, rightMargin=20 * mm, topMargin=18 * mm, bottomMargin=18 * mm,
        title=event.name, lang=tongue.language,
    )  # fmt: skip
    document.build(story, onFirstPage=foot, onLaterPages=foot)
    return out.getvalue()


def _sound(sound: Sound, name: str, tongue: Tongue, say: Any, second: ParagraphStyle, font: str) -> list[Any]:
    gettext, highest = tongue.gettext, sound.highest
    story: list[Any] = [say(f"{name}: {limit_words(sound.limit, tongue)}", second)]
    if highest is None:
        return [*story, say(gettext(N_("Too little was measured to say anything.")))]
    words = gettext(
        N_("Highest: %(level)s dB, %(moment)s. Values: %(n)s, of which doubtful and left out: %(d)s.")
    )
    story.append(
        say(
            words
            % {
                "level": tongue.number(highest.level_db, 1),
                "moment": tongue.moment(highest.at_ms),
                "n": tongue.number(sound.values, 0),
                "d": tongue.number(sound.doubtful, 0),
            }
        )
    )
    rows = exceedance_rows(sound, tongue)
    if not rows:
        return [*story, say(gettext(N_("Never above the limit.")))]
    titles = (N_("From"), N_("Until"), N_("minutes"), N_("Highest, dB"), N_("Above by, dB"))
    cells = [[gettext(one) for one in titles]]
    cells += [[row["from"], row["to"], row["minutes"], row["highest"], row["above"]] for row in rows]
    table = Table(cells, hAlign="LEFT", repeatRows=1)
    table.setStyle(
        TableStyle(
            [
                ("FONT", (0, 0), (-1, -1), font, 8),
                ("LINEBELOW", (0, 0), (-1, 0), 0.6, colors.black),
                ("LINEBELOW", (0, 1), (-1, -1), 0.2, colors.grey),
                ("ALIGN", (2, 0), (-1, -1), "RIGHT"),
            ]
        )
    )
    return [*story, Spacer(1, 2 * mm), table]
