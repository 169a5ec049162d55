"""Nothing accepted lost, nothing twice: each reading counted at sensor, flash, air and store.

Each place is counted by itself: acquisitions by the chip models' ledger, records by the bytes of the node's
flash, acknowledged frames by the packet forwarder, rows by the store's own file.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from simulator.ledger import Ledger

_AGREE_S = 3.0  # a record's time is that of the end of its acquisition, to the second
MOST_TOLD = 5
# kind of node -> what its chip models ask the world for once an acquisition
ASKED = {
    "air": ("pm2_5_ug_m3", "temperature_c"),
    "noise": ("sound_level",),
    "bin": ("distance_mm",),
    "garden": ("temperature_c",),
}


@dataclass
class NodeAccount:
    """One node's numbers. `lost`, `twice` and `asked_for` hold record numbers, `invented` times in ms."""

    site_id: str
    acquired: int = 0
    in_flash: int = 0
    stored: int = 0
    lost: list[int] = field(default_factory=list[int])
    twice: list[int] = field(default_factory=list[int])
    invented: list[int] = field(default_factory=list[int])
    asked_for: list[int] = field(default_factory=list[int])


@dataclass
class Accounts:
    """The whole balance."""

    nodes: list[NodeAccount]
    frames_acked: int = 0
    frames_sent: int = 0
    frames_lost_on_air: int = 0

    @property
    def balanced(self) -> bool:
        """Tell whether nothing accepted is lost, and nothing is there twice or never was measured."""
        return not any(node.lost or node.twice or node.invented for node in self.nodes)

    def as_dict(self) -> dict[str, Any]:
        """Return sums, and the sites where something is wrong."""
        total = {
            name: sum(getattr(node, name) for node in self.nodes)
            for name in ("acquired", "in_flash", "stored")
        }
        total |= {
            name: sum(len(getattr(node, name)) for node in self.nodes)
            for name in ("lost", "twice", "invented", "asked_for")
        }
        wrong = [
            {"site": n.site_id}
            | {name: getattr(n, name)[:MOST_TOLD] for name in ("lost", "twice", "invented")}
            for n in self.nodes
            if n.lost or n.twice or n.invented
        ]
        return {
            **total,
            "frames_sent": self.frames_sent,
            "frames_lost_on_air": self.frames_lost_on_air,
            "frames_acknowledged": self.frames_acked,
            "balanced": self.balanced,
            "wrong": wrong,
        }


def settle(
    site_id: str,
    kind: str,
    ledger: Ledger,
    flash: list[int],
    rows: list[tuple[int, int, bool]],
    *,
    not_yet: int = 0,
    asking: Sequence[tuple[int, int]] = (),
    may_ask: int = 0,
    clock_true: bool = True,
) -> NodeAccount:
    """Return one node's account.

    flash: record numbers. rows: (number, observed ms, whether that is by the node's clock) of the store.
    not_yet: how many of the newest records may still be on their way when all was stopped.
    asking: from and up to which numbers the house itself says that it lacks records and will ask again; of
    the newest `may_ask` records those are not lost. Older ones are: nobody waits for ever.
    clock_true: whether the node's time can be held against the ledger's (False after a lying clock).
    """
    account = NodeAccount(site_id)
    account.acquired = max(ledger.acquired[q] for q in ASKED[kind])
    account.in_flash, account.stored = len(set(flash)), len({seq for seq, _, _ in rows})
    times = Counter(seq for seq, _, _ in rows)
    account.twice = sorted(seq for seq, n in times.items() if n > 1)
    accepted = sorted(set(flash))
    missing = sorted(set(accepted[: len(accepted) - not_yet if not_yet else None]) - set(times))
    newest = set(accepted[len(accepted) - may_ask :]) if may_ask else set[int]()
    account.asked_for = [n for n in missing if n in newest and any(a <= n < b for a, b in asking)]
    account.lost = [n for n in missing if n not in account.asked_for]
    if clock_true:
        asked_s = sorted(at_us / 1e6 for at_us in ledger.asked_us)
        account.invented = [ms for _, ms, own in rows if own and not _near(asked_s, ms / 1000)]
    return account


def _near(times_s: list[float], time_s: float) -> bool:
    at = bisect.bisect_left(times_s, time_s - _AGREE_S)
    return at < len(times_s) and times_s[at] <= time_s + _AGREE_S
