"""Lists of devices as spreadsheets save them; what Excel does is by its own documentation.

Separator and decimals are those of Windows' regional settings ("Import or export text (.txt or .csv) files");
numbers keep 15 digits and are shown as 7,01E+15 ("Keep leading zeros and large numbers"), both at
support.microsoft.com.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway import sheet
from gateway.cli import main
from gateway.errors import SheetError
from gateway.registry import Registry

HEAD = "dev_eui,join_eui,app_key,kind,transport,site_id,site_name,longitude,latitude,public"


def a_row(number: int, **changes: str) -> str:
    cells = {
        "dev_eui": f"70b3d57ed00000{number:02x}", "join_eui": "70b3d57ed0000000", "app_key": f"{number:032x}",
        "kind": "garden", "transport": "lorawan", "site_id": f"tuin-{number}", "site_name": f"Zoë {number}",
        "longitude": "4.402", "latitude": "51.219", "public": "yes",
    } | changes  # fmt: skip
    return ",".join(cells.values())


def a_list(*rows: str, head: str = HEAD) -> str:
    return "\n".join([head, *rows]) + "\n"


GOOD = a_list(*(a_row(number) for number in range(1, 4)))
FLEMISH = GOOD.replace(",", ";").replace("4.402", "4,402").replace("51.219", "51,219").replace("yes", "WAAR")


def add(path: Path, *words: str) -> Result:
    return CliRunner().invoke(
        main, ["device", "add", "--data", str(path.parent / "data"), "--from", str(path), *words]
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plain.csv", GOOD.encode()),
        ("byte-order-mark.csv", GOOD.encode("utf-8-sig")),
        ("flemish.csv", FLEMISH.replace("\n", "\r\n").encode("cp1252")),
        ("told.csv", ("sep=;\r\n" + FLEMISH).encode("utf-8-sig")),
        ("unicode-text.txt", GOOD.replace(",", "\t").encode("utf-16")),
        ("UPPER.CSV", GOOD.replace("\n", "\r").encode()),
        ("headed.csv", GOOD.replace("dev_eui", "DevEUI").replace("site_id", "Site ID").encode()),
        ("blank.csv", (GOOD + ",,,,,,,,,\n\n,,,,,,,,,,,,\n").encode()),
        ("spaces.csv", GOOD.replace(",garden,", ", Garden ,").replace("70b3d57e", "70B3 D57E ").encode()),
    ],
)
def test_the_same_list_in_every_dress(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    result = add(path)
    assert (result.exit_code, result.output) == (0, "3 added\n")
    registry = Registry(tmp_path / "data")
    try:
        site = registry.site("tuin-2")
        assert (site.name, site.longitude, site.latitude) == ("Zoë 2", 4.402, 51.219)
        assert registry.device("70b3d57ed0000002") is not None
    finally:
        registry.close()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            a_row(2, dev_eui="7.01E+15"),
            "dev_eui: '7.01E+15' is what a spreadsheet made of an EUI; format the",
        ),
        (a_row(2, dev_eui='"7,01E+15"'), "dev_eui: '7,01E+15' is what a spreadsheet made of an EUI"),
        (a_row(2, dev_eui="4300100100010"), "has 13 digits, not 16: a spreadsheet takes zeros away"),
        (a_row(2, app_key="1.23E+31"), "app_key: not a 128-bit key; a spreadsheet made a number of it"),
        (a_row(2, dev_eui="70b3d57ed0000001"), "dev_eui: 70b3d57ed0000001 is on line 2 too"),
        (a_row(2, app_key=f"{1:032x}"), "app_key: is that of line 2 too; each device has its own"),
        (a_row(2, site_id="tuin-1"), "'tuin-1' is on line 2 too, with another site_name; give each place"),
        (a_row(2, longitude="51.219", latitude="4.402"), "is in the Indian Ocean; are the two swapped?"),
        (a_row(2, longitude="4,402"), "(11, not 10): is there a decimal comma?"),
        (a_row(2, public="misschien"), "public: 'misschien'; give yes or no"),
        (a_row(2)[:40], "the file was cut off here"),
    ],
)
def test_what_a_spreadsheet_spoils_is_named_and_the_others_go_in(tmp_path: Path, row: str, said: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(a_list(a_row(1), row, a_row(3)))
    result = add(path)
    assert result.exit_code == 4
    assert result.stderr.startswith("row 3 ") and said in result.stderr, result.stderr
    assert "2 added, 1 refused" in result.output
    again = json.loads(add(path, "--json").stdout)
    assert [(one["row"], one["outcome"]) for one in again] == [
        (2, "unchanged"),
        (3, "refused"),
        (4, "unchanged"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("book.xlsx", b"PK\x03\x04" + bytes(range(200)), "this is a workbook, not CSV"),
        ("book.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 9, "this is a workbook, not CSV"),
        ("torn.csv", GOOD.encode()[:200] + bytes(50), "this is no text, or it was cut off"),
        ("half.txt", GOOD.encode("utf-16")[:201], "this is no text, or it was cut off"),
        ("twice.csv", a_list(head=HEAD + ",DevEUI").encode(), "column dev_eui is there twice"),
        ("empty.csv", b"", "column dev_eui is missing"),
    ],
)
def test_a_file_that_is_no_list_says_what_to_do(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    result = add(path)
    assert result.exit_code == 1 and said in result.stderr, result.stderr


def test_a_length_that_may_be_a_thousand_times_more_is_refused() -> None:
    assert sheet.length("empty_mm", "1200,5") == 1200.5
    for text in ("1.200", "1,200", "1 200", "1.200.000"):
        with pytest.raises(SheetError, match=r"empty_mm: .* write it without separators"):
            sheet.length("empty_mm", text)
