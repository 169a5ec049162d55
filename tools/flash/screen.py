"""The bench on a terminal: a line a port, what it does, green or red; and how far the list is."""

from __future__ import annotations

import threading

from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tools.flash.bench import ALREADY, GREEN, LOOKING, RED, REGISTERING, TESTING, WRITING, Event

_WORDS = {
    LOOKING: ("looking", "cyan"),
    WRITING: ("writing", "cyan"),
    TESTING: ("self-test", "cyan"),
    REGISTERING: ("registering", "cyan"),
    GREEN: ("DONE: plug in the next", "bold green"),
    ALREADY: ("was done before: plug in the next", "green"),
    RED: ("FAILED", "bold red"),
}


class Screen:
    """Shows events; give its `event` to a Bench, and use it as a context manager."""

    def __init__(self, total: int, done: int) -> None:
        self._total = total
        self._done = done
        self._events: dict[str, Event] = {}
        self._lock = threading.Lock()
        self._live = Live(self._table(), refresh_per_second=8)

    def __enter__(self) -> Screen:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def event(self, event: Event) -> None:
        """Show an event."""
        with self._lock:
            self._events[event.port] = event
            self._done += event.step == GREEN
            self._live.update(self._table())

    def _table(self) -> Table:
        done = f"{self._done} of {self._total} devices done. Ctrl-C stops; run it again to go on."
        table = Table(title=done)
        for column in ("port", "row", "DevEUI", "step", ""):
            table.add_column(column, overflow="fold")
        for port, event in sorted(self._events.items()):
            word, style = _WORDS.get(event.step, (event.step, ""))
            last: Text | ProgressBar = Text(event.reason, style)
            if event.step == WRITING:
                last = ProgressBar(total=1.0, completed=event.share, width=24)
            table.add_row(port, event.row, event.dev_eui, Text(word, style), last)
        return table
