"""Names of stations: EUIs in any of the forms that Basics Station writes (src/s2conf.c, uj.c).

"0016:c0ff:fe00:1"     ID6: four groups of 16 bits, `::` for the zeros that are left out
"00-16-C0-FF-FE-00-00-01"
6402819047227393       a number
"""

from __future__ import annotations

import re

from gateway.errors import IngestError

_CAUSE = "ingest.station_identity"
_GROUP = re.compile(r"[0-9a-f]{1,4}")
_BYTES = re.compile(r"(?:[0-9a-f]{2}[-:]?){7}[0-9a-f]{2}")


def parse_eui(name: object) -> str:
    """Return an EUI as 16 lower-case hex digits; IngestError when it is none."""
    if isinstance(name, int) and not isinstance(name, bool) and 0 <= name < 1 << 64:
        return f"{name:016x}"
    if isinstance(name, str):
        text = name.lower().removeprefix("router-")
        if _BYTES.fullmatch(text):
            return text.replace("-", "").replace(":", "")
        groups = _groups(text)
        if groups is not None:
            return "".join(f"{int(group, 16):04x}" for group in groups)
    raise IngestError(_CAUSE, f"{str(name)[:40]!r} is no EUI of a station")


def _groups(text: str) -> list[str] | None:
    if text.count("::") > 1:
        return None
    head, gap, tail = text.partition("::")
    first = head.split(":") if head else []
    last = tail.split(":") if tail else []
    groups = first + (["0"] * (4 - len(first) - len(last)) if gap else []) + last
    if len(groups) != 4 or not all(_GROUP.fullmatch(group) for group in groups):
        return None
    return groups


def id6(eui: str) -> str:
    """Return an EUI in ID6 form."""
    return ":".join(f"{int(eui[at : at + 4], 16):x}" for at in range(0, 16, 4))
