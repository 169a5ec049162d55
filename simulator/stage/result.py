"""What a run came to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Progress = Callable[[int, int, str], None]
"""Is told (done, whole) in virtual microseconds, and a note."""


@dataclass
class Result:
    """What a run came to."""

    scenario: str
    seed: int
    nodes: int
    virtual_s: float
    real_s: float
    events: dict[str, int]
    sha256: str
    accounts: dict[str, Any] | None
    counters: dict[str, int]
    rss_mb: dict[str, float] = field(default_factory=dict[str, float])
    flash: dict[str, Any] = field(default_factory=dict[str, Any])
    fleet: dict[str, Any] = field(default_factory=dict[str, Any])
    house_starts: int = 0
    house_steps: int = 0
    bus_transactions: int = 0
    stopped_early: bool = False
    platform: dict[str, Any] = field(default_factory=dict[str, Any])
    failures: list[str] = field(default_factory=list[str])
    reproduce: str = ""
