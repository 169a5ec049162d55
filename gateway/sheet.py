"""A list as spreadsheets save it, in whatever country: separator, decimals, encoding, yes and no.

Excel in Flanders separates by semicolons, writes decimal commas, saves in Windows-1252 ("CSV") or UTF-16
("Unicode text"), says WAAR for true, and makes 7,01E+15 of a DevEUI that has no letter but an E. What can be
read without a guess is read; what is gone is named, with how to get it back.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.errors import SheetError

# A workbook too: it is told what to do instead.
SUFFIXES = (".csv", ".txt", ".tsv", ".xlsx", ".xls", ".ods")
_SEPARATORS = ",;\t"
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx and .ods (ZIP), .xls (compound file)
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")
_YES = {"yes", "true", "1", "ja", "oui", "waar", "vrai"}
_NO = {"no", "false", "0", "nee", "non", "onwaar", "faux"}


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row that is not empty. line: of the file, from 1. fault: why it cannot be read, or ""."""

    line: int
    cells: dict[str, str]
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """The columns by name, and the rows; cells without blanks around them. separator: a comma, ; or a tab."""

    columns: tuple[str, ...]
    rows: tuple[SheetRow, ...]
    separator: str = ","


def read(path: Path, named: Callable[[str], str] = str) -> Sheet:
    """Return what a file holds; SheetError when it is no list at all. named: see `parse`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SheetError(f"{path}: {error.strerror}; give the path of a CSV file") from error
    return parse(str(path), content, named)


def parse(path: str, content: bytes, named: Callable[[str], str] = str) -> Sheet:
    """Return what bytes hold. path: for messages. named: what a column is called by its head in the file."""
    lines = list(io.StringIO(_text(path, content), newline=None))
    first = 0
    if lines and lines[0].strip().lower() in [f"sep={one}" for one in _SEPARATORS]:
        first = 1  # how Excel is told the separator
    head = lines[first] if len(lines) > first else ""
    separator = max(_SEPARATORS, key=head.count)
    reader = csv.reader(lines[first:], delimiter=separator)
    columns: tuple[str, ...] = ()
    rows: list[SheetRow] = []
    try:
        for cells in reader:
            found = [cell.strip() for cell in cells]
            if not any(found):
                continue
            if columns:
                rows.append(_row(first + reader.line_num, columns, found))
            else:
                columns = _columns(path, [named(cell) for cell in found])
    except csv.Error as error:
        raise SheetError(f"{path}: line {first + reader.line_num}: {error}; save it as CSV again") from error
    return Sheet(tuple(name for name in columns if name), tuple(rows), separator)


def _text(path: str, content: bytes) -> str:
    if content.startswith(_WORKBOOKS):
        raise SheetError(f"{path}: this is a workbook, not CSV; in the spreadsheet: save as, CSV UTF-8")
    names = ("utf-16",) if content.startswith(_UTF16) else ("utf-8-sig", "cp1252")
    for name in names:
        try:
            text = content.decode(name)
        except UnicodeDecodeError:
            continue
        if not _CONTROL.search(text):
            return text
        break
    raise SheetError(f"{path}: this is no text, or it was cut off; save it again as CSV UTF-8")


def _columns(path: str, names: list[str]) -> tuple[str, ...]:
    twice = {name for name in names if name and names.count(name) > 1}
    if twice:
        raise SheetError(f"{path}: column {', '.join(sorted(twice))} is there twice; take one away")
    return tuple(names)


def _row(line: int, columns: tuple[str, ...], found: list[str]) -> SheetRow:
    cells = {name: cell for name, cell in zip(columns, found, strict=False) if name}
    over = [cell for name, cell in zip(columns, found, strict=False) if not name] + found[len(columns) :]
    if len(found) >= len(columns) and not any(over):
        return SheetRow(line, cells)
    fault = f"the row has not as many fields as the header ({len(found)}, not {len(columns)}): "
    if len(found) < len(columns):
        return SheetRow(line, cells, fault + "the file was cut off here, or a separator is missing")
    return SheetRow(line, cells, fault + "is there a decimal comma? use a point, or separate by semicolons")


def missing(sheet: Sheet, needed: Iterable[str]) -> list[str]:
    """Return a sentence for each column that is needed and not there."""
    return [f"column {name} is missing" for name in needed if name not in sheet.columns]


def number(field: str, text: str) -> float:
    """Return a number, its decimals behind a point or a comma; SheetError."""
    try:
        return float(text.replace(",", ".") if "." not in text else text)
    except ValueError:
        raise SheetError(f"{field}: {text[:40]!r} is not a number; write it like 4.35") from None


def length(field: str, text: str) -> float:
    """Return a length in whole units; SheetError also for 1.200, which may be one or a thousand."""
    if re.fullmatch(r"\d{1,3}([.,\s]\d{3})+", text):
        raise SheetError(f"{field}: {text!r} may be a thousand times more; write it without separators")
    return number(field, text)


def truth(field: str, text: str) -> bool:
    """Return yes or no, in Dutch, French or English; SheetError."""
    word = text.lower()
    if word not in _YES | _NO:
        raise SheetError(f"{field}: {text[:40]!r}; give yes or no")
    return word in _YES


def moment_ms(field: str, text: str) -> int:
    """Return milliseconds since 1970 of such a number, or of an ISO 8601 date (UTC); SheetError."""
    try:
        if text == "0" or (text.isascii() and text.isdigit() and len(text) >= 12):
            return int(text)
        found = datetime.fromisoformat(text)
        return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise SheetError(f"{field}: {text[:40]!r} is no time; write it like 2026-12-01") from None


def told(faults: Iterable[tuple[int, str]]) -> str:
    """Return what is wrong, a line of text for each fault, with all lines of the file that have it."""
    lines: dict[str, list[int]] = {}
    for line, fault in faults:
        lines.setdefault(fault, []).append(line)
    return "".join(f"\n  {_lines(found)}: {fault}" for fault, found in lines.items())


def _lines(found: list[int]) -> str:
    runs: list[list[int]] = []
    for line in found:
        if runs and line == runs[-1][1] + 1:
            runs[-1][1] = line
        else:
            runs.append([line, line])
    texts = [str(first) if first == last else f"{first} to {last}" for first, last in runs]
    return ("line " if len(found) == 1 else "lines ") + ", ".join(texts)
