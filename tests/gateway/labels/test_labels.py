"""Labels as a scanner sees them: every format is read back by an independent reader (zxing-cpp)."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from itertools import product

import pypdfium2
import pytest
import zxingcpp
from PIL import Image

from gateway.labels import Card, Label, card_layout, label_layout, pdf, png, svg, tr005, zpl
from gateway.labels.content import LANGUAGES, MEASURES, crc16
from gateway.labels.layout import EDGE_X_MM, LABEL_MM, Layout, text_width

EUI, JOIN, TAG = "70b3d57ed0000001", "70b3d57ed0000000", "4K7Q2M9X"
URL = f"https://meetnet.example.org/t/{TAG}"


def a_label(**changes: str | None) -> Label:
    fields: dict[str, str | None] = {
        "dev_eui": EUI, "kind": "garden", "name": "Tuin van Jo", "owner": "Stad Gent", "url": URL, "tag": TAG,
        "join_eui": JOIN, "language": "nl",
    }  # fmt: skip
    return Label(**(fields | changes))  # type: ignore[arg-type]


def from_zpl(content: bytes) -> Image.Image:
    """Draw a ^GFA field as Zebra's ZPL II manual defines it: bytes in all, bytes a row, hex, 1 is black."""
    found = re.fullmatch(
        rb"\^XA\^PW(\d+)\^LL(\d+)\^FO0,0\^GFA,(\d+),(\d+),(\d+),([0-9A-F]+)\^FS\^XZ\n", content
    )
    assert found is not None
    width, height, total, again, stride = (int(number) for number in found.groups()[:5])
    bits = bytes.fromhex(found[6].decode())
    assert total == again == len(bits) == stride * height and stride == -(-width // 8)
    image = Image.frombytes("1", (stride * 8, height), bytes(byte ^ 0xFF for byte in bits))
    return image.crop((0, 0, width, height))


def from_pdf(content: bytes) -> Image.Image:
    document = pypdfium2.PdfDocument(content)
    try:
        return document[0].render(scale=300 / 72).to_pil()
    finally:
        document.close()


def from_svg(content: bytes) -> Image.Image:
    """Draw the path of the codes: the text is not the judge's business."""
    text = content.decode()
    width, height = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text).groups())  # type: ignore[union-attr]
    dots = 20
    image = Image.new("L", (round(width * dots), round(height * dots)), 255)
    box = r"M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)h-[\d.]+z"
    for x, y, w, h in re.findall(box, text):
        left, top = round(float(x) * dots), round(float(y) * dots)
        size = (round((float(x) + float(w)) * dots) - left, round((float(y) + float(h)) * dots) - top)
        image.paste(0, (left, top, left + size[0], top + size[1]))
    return image


DRAWN: dict[str, Callable[[Layout], Image.Image]] = {
    "png": lambda layout: Image.open(io.BytesIO(png(layout))),
    "svg": lambda layout: from_svg(svg(layout)),
    "pdf": lambda layout: from_pdf(pdf(layout)),
    "zpl": lambda layout: from_zpl(zpl(layout)),
}


def codes_in(image: Image.Image) -> set[str]:
    return {found.text for found in zxingcpp.read_barcodes(image.convert("L"))}


@pytest.mark.parametrize("form", DRAWN)
def test_every_format_is_read_by_a_scanner(form: str) -> None:
    label = a_label()
    assert codes_in(DRAWN[form](label_layout(label))) == {label.lorawan_code, URL}
    wifi = a_label(join_eui=None)
    assert codes_in(DRAWN[form](label_layout(wifi))) == {URL}
    card = Card("ABCD-EFGH-JKMN-PQRS", "https://meetnet.example.org/c/ABCDEFGHJKMNPQRS", "Tuin van Jo")
    assert codes_in(DRAWN[form](card_layout(card))) == {card.url}


def test_the_lorawan_code_is_tr005() -> None:
    # The example in The Things Stack's reader of these codes, with its checksum AF2C.
    example = "LW:D0:1122334455667788:AABBCCDDEEFF0011:AABB1122:OAABBCCDDEEFF:SYYWWNNNNNN:PFOOBAR:CAF2C"
    body, _, check = example.rpartition(":C")
    assert f"{crc16(body.encode()):04X}" == check
    assert crc16(b"123456789") == 0x4B37  # CRC-16/MODBUS, catalogue of parametrised CRC algorithms
    code = a_label().lorawan_code
    assert code is not None
    fields = code.split(":")
    assert fields[:5] == ["LW", "D0", JOIN.upper(), EUI.upper(), "FFFF0004"]
    assert fields[5] == f"S{TAG}" and re.fullmatch(r"C[0-9A-F]{4}", fields[6])
    assert re.fullmatch(r"[0-9A-Z $%*+\-./:]+", code)  # QR's alphanumeric set (ISO/IEC 18004, table 5)
    for bad in ((EUI[:-1], EUI, "FFFF0001"), (JOIN, "x" * 16, "FFFF0001"), (JOIN, EUI, "ffff0001")):
        with pytest.raises(ValueError, match=r"EUI|ProfileID"):
            tr005(*bad)
    with pytest.raises(ValueError, match="serial"):
        tr005(JOIN, EUI, "FFFF0001", serial="a:b")


@pytest.mark.parametrize(("kind", "language"), list(product(MEASURES, LANGUAGES)))
def test_everything_a_passer_by_asks_is_on_it_and_fits(kind: str, language: str) -> None:
    owner = "Commune de Woluwe-Saint-Lambert, service environnement"
    for name in ("Plein", "Kerkplein aan de oude Sint-Bavokerk, noordzijde, lantaarnpaal 17"):
        layout = label_layout(a_label(kind=kind, language=language, name=name, owner=owner))
        texts = [text.text for text in layout.texts]
        joined = " ".join(texts)
        assert "70B3 D57E D000 0001" in joined and TAG in joined and "meetnet.example.org/t/" in joined
        assert MEASURES[kind][LANGUAGES.index(language)].split()[-1] in joined
        assert "Woluwe-Saint-Lambert" in joined
        for text in layout.texts:
            assert text.size >= 1.3, text  # millimetres: readable at arm's length
            assert text.x >= 0 and text.x + text_width(text.text, text.size) <= LABEL_MM[0], text
            assert text.size <= text.y <= LABEL_MM[1] - EDGE_X_MM, text
        bottoms = [text.y for text in layout.texts]
        assert bottoms == sorted(bottoms)


def test_the_picture_is_as_label_printers_take_it() -> None:
    with Image.open(io.BytesIO(png(label_layout(a_label())))) as image:
        assert (image.size, image.mode) == ((696, 271), "1")  # brother_ql: label 62x29
    assert b"^PW496^LL232" in zpl(label_layout(a_label()))  # 62 x 29 mm at 203 dpi


def test_letters_of_our_languages_are_drawn() -> None:
    plain = png(label_layout(a_label(name="Ecole")))
    accented = png(label_layout(a_label(name="École")))
    boxes = png(label_layout(a_label(name="□cole")))
    assert len({plain, accented, boxes}) == 3


def test_a_label_has_no_secret_and_a_card_does_not_show_its_own() -> None:
    names = {field for field in Label.__slots__}  # noqa: C416
    assert not names & {"app_key", "key", "password", "token", "code"}
    card = Card("ABCD-EFGH-JKMN-PQRS", "https://meetnet.example.org/c/ABCDEFGHJKMNPQRS", "Tuin")
    assert "ABCD" not in repr(card)
