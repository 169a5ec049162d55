"""Draws a layout: SVG and PDF for paper, PNG for label printers (as brother_ql takes it), ZPL for Zebra."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any
from xml.sax.saxutils import escape

from PIL import Image, ImageDraw
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from gateway.labels.layout import Layout, font_of, font_path

_FONT = "Vera"
_FAMILY = "Bitstream Vera Sans, DejaVu Sans, Verdana, sans-serif"

_BROTHER_PX = {(62.0, 29.0): (696, 271)}  # DK-11209 at 300 dpi: what the printer head reaches
_ZEBRA_DPI = 203


def svg(layout: Layout) -> bytes:
    """Return an SVG in millimetres."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{layout.width}mm" height="{layout.height}mm" '
        f'viewBox="0 0 {layout.width} {layout.height}">',
        f'<rect width="{layout.width}" height="{layout.height}" fill="#fff"/>',
        '<path shape-rendering="crispEdges" d="',
        *(
            f"M{box.x:.4f} {box.y:.4f}h{box.width:.4f}v{box.height:.4f}h{-box.width:.4f}z"
            for box in layout.boxes
        ),
        '"/>',
        *(
            f'<text x="{text.x:.2f}" y="{text.y:.2f}" font-family="{_FAMILY}" '
            f'font-size="{text.size:.2f}">{escape(text.text)}</text>'
            for text in layout.texts
        ),
        "</svg>\n",
    ]
    return "".join(parts).encode()


def png(layout: Layout, dpi: int = 300) -> bytes:
    """Return a black and white PNG; at 300 dpi a label has the pixels that Brother's printers take."""
    out = io.BytesIO()
    _bitmap(layout, dpi).save(out, "PNG", dpi=(dpi, dpi), optimize=True)
    return out.getvalue()


def pdf(layouts: Sequence[Layout] | Layout) -> bytes:
    """Return a PDF, a page each, with the font in it."""
    use_font()
    pages = [layouts] if isinstance(layouts, Layout) else layouts
    out = io.BytesIO()
    drawing: Any = Canvas(out, pageCompression=1)
    drawing.setTitle("Meetnet")
    mm = 72 / 25.4
    for page in pages:
        drawing.setPageSize((page.width * mm, page.height * mm))
        for box in page.boxes:
            y = (page.height - box.y - box.height) * mm
            drawing.rect(box.x * mm, y, box.width * mm, box.height * mm, stroke=0, fill=1)
        for text in page.texts:
            drawing.setFont(_FONT, text.size * mm)
            drawing.drawString(text.x * mm, (page.height - text.y) * mm, text.text)
        drawing.showPage()
    drawing.save()
    return out.getvalue()


def use_font() -> str:
    """Make the font with every letter known to reportlab; return its name."""
    pdfmetrics.registerFont(TTFont(_FONT, str(font_path())))
    return _FONT


def zpl(layout: Layout) -> bytes:
    """Return ZPL II for a Zebra printer with 203 dpi: the label as one graphic field."""
    bitmap = _bitmap(layout, _ZEBRA_DPI)
    stride = -(-bitmap.width // 8)
    black = bytes(byte ^ 0xFF for byte in bitmap.tobytes())
    if bitmap.width % 8:  # what is beyond the edge is white
        mask = 0xFF << (8 - bitmap.width % 8) & 0xFF
        black = b"".join(
            black[at : at + stride - 1] + bytes((black[at + stride - 1] & mask,))
            for at in range(0, len(black), stride)
        )
    size = len(black)
    return (
        f"^XA^PW{bitmap.width}^LL{bitmap.height}^FO0,0^GFA,{size},{size},{stride},{black.hex().upper()}^FS^XZ\n"
    ).encode()


def _bitmap(layout: Layout, dpi: int) -> Image.Image:
    dots = dpi / 25.4
    size = (round(layout.width * dots), round(layout.height * dots))
    shift = (0, 0)
    brother = _BROTHER_PX.get((layout.width, layout.height))
    if dpi == 300 and brother is not None:  # the head reaches a little less than the paper is wide
        shift = ((brother[0] - size[0]) // 2, (brother[1] - size[1]) // 2)
        size = brother
    image = Image.new("1", size, 1)
    draw = ImageDraw.Draw(image)
    draw.fontmode = "1"
    for box in layout.boxes:
        left, top = round(box.x * dots) + shift[0], round(box.y * dots) + shift[1]
        right = round((box.x + box.width) * dots) + shift[0]
        bottom = round((box.y + box.height) * dots) + shift[1]
        draw.rectangle((left, top, right - 1, bottom - 1), fill=0)
    for text in layout.texts:
        font = font_of(text.size * dots)
        draw.text(
            (text.x * dots + shift[0], text.y * dots + shift[1]), text.text, fill=0, font=font, anchor="ls"
        )
    return image


FORMATS: dict[str, Callable[[Layout], bytes]] = {"svg": svg, "png": png, "pdf": pdf, "zpl": zpl}
