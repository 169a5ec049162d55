"""The bench: as many boards at once as there are ports, no click a board; plug in, green or red, plug in the
next.

Who has which row is decided under one lock and is in the journal before the board is touched, so a run that
is cut off goes on where it was: a board keeps its row, a row that is done is never done again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

from gateway.errors import GatewayError
from gateway.provision.minting import dev_eui_of
from tools.flash import esp, steps
from tools.flash.base import BaseImage
from tools.flash.errors import FlashError
from tools.flash.journal import ASSIGNED, DONE, FAILED, REFUSED, REGISTERED, TESTED, Journal
from tools.flash.register import Registrar
from tools.flash.rows import Row
from tools.flash.selftest import SelfTest
from tools.flash.steps import Hands, Printer, Secrets

LOOK_S = 0.3
# Steps of a board as they are shown; the last three are ends.
LOOKING, WRITING, TESTING, REGISTERING = "looking", "writing", "testing", "registering"
GREEN, RED, ALREADY = "green", "red", "already"
# Neither board nor row is at fault: the board keeps its row, under which it may be registered already.
_ELSEWHERE = ("server", "journal")


@dataclass(frozen=True, slots=True)
class Event:
    """What happens at a port. share: how much of the step is done. reason: with red, for the person there.

    tested: with green, the parts that passed the self-test.
    """

    port: str
    step: str
    row: str = ""
    mac: str = ""
    dev_eui: str = ""
    share: float = 0.0
    code: str = ""
    reason: str = ""
    tested: tuple[str, ...] = ()

    def told(self) -> dict[str, object]:
        """Return what is not empty, for JSON."""
        return {name: value for name, value in asdict(self).items() if value not in ("", 0.0, ())}


@dataclass
class Bench:
    """Everything a run needs. on_event is called from the threads of the ports, one call at a time."""

    rows: Sequence[Row]
    journal: Journal
    image_for: Callable[[str], BaseImage]
    hands: Hands
    registrar: Registrar
    printer: Printer
    ports: Callable[[], list[str]]
    on_event: Callable[[Event], None]
    again: bool = False

    def __post_init__(self) -> None:
        self.stop = threading.Event()
        self._lock = threading.Lock()
        self._tell_lock = threading.Lock()
        self._by_name = {row.name: row for row in self.rows}
        self._workers: dict[str, threading.Thread] = {}
        self.red = 0

    # -- the run

    def run(self, once: bool = False) -> None:
        """Serve boards until all rows are done or `stop` is set; once: until those that are there are."""
        try:
            while not self.stop.is_set():
                there = self.ports()
                for port in there:
                    if port not in self._workers:
                        thread = threading.Thread(target=self._serve, args=(port,), daemon=True)
                        self._workers[port] = thread
                        thread.start()
                for port in [port for port, thread in self._workers.items() if not thread.is_alive()]:
                    if port not in there:
                        del self._workers[port]  # unplugged: the next board may come
                busy = any(thread.is_alive() for thread in self._workers.values())
                if not busy and (self.left() == 0 or once):
                    return
                self.stop.wait(LOOK_S)
        finally:
            self.stop.set()
            for thread in list(self._workers.values()):
                thread.join()

    def left(self) -> int:
        """Return how many rows are not done."""
        return sum(self.journal.state(row.name).event != DONE for row in self.rows)

    def _serve(self, port: str) -> None:
        mac = name = dev_eui = ""
        try:
            self._tell(Event(port, LOOKING))
            found = self.hands.look(port)
            mac = found.mac
            row, dev_eui, done = self._take(found)
            name = row.name
            if done:
                self._tell(Event(port, ALREADY, name, mac, dev_eui))
                return
            tested = self._make(port, found, row, dev_eui)
            self._tell(Event(port, GREEN, name, mac, dev_eui, tested=tested.parts))
        except FlashError as error:
            kind = REFUSED if error.code in _ELSEWHERE else FAILED
            self._failed(Event(port, RED, name, mac, dev_eui, code=error.code, reason=str(error)), kind)
        except GatewayError as error:
            self._failed(Event(port, RED, name, mac, dev_eui, code="register", reason=str(error)), REFUSED)
        except OSError as error:  # labels, cards, what is compiled
            where = error.filename or "the disk"
            reason = f"{where}: {error.strerror}; see to room and rights, then plug the board in again"
            self._failed(Event(port, RED, name, mac, dev_eui, code="disk", reason=reason), REFUSED)
        except Exception as error:  # whatever it is, the other boards go on
            reason = f"something unexpected ({type(error).__name__}): unplug the board and try it again"
            self._failed(Event(port, RED, name, mac, dev_eui, code="internal", reason=reason), FAILED)

    def _make(self, port: str, found: esp.Found, row: Row, dev_eui: str) -> SelfTest:
        image = self.image_for(row.chip)
        steps.check_board(found, row, image)
        keys = Secrets.of(row)

        def tell(step: str, share: float) -> None:
            self._tell(Event(port, step, row.name, found.mac, dev_eui, share))

        tested = steps.write_and_test(self.hands, port, image, row, dev_eui, keys, tell)
        self.journal.add(row.name, TESTED, version=tested.version, image=image.sha256[:16])
        tell(REGISTERING, 0.0)
        registered = self.registrar.put(row, dev_eui, keys.app_key, keys.password)
        self.journal.add(row.name, REGISTERED, tag=registered.tag)
        self.printer.write(row, dev_eui, registered)
        self.journal.add(row.name, DONE)
        return tested

    def _take(self, found: esp.Found) -> tuple[Row, str, bool]:
        """Return the row of a board, its DevEUI, and whether it is done already."""
        with self._lock:
            had = self.journal.row_of(found.mac)
            if had is not None and had in self._by_name:
                state = self.journal.state(had)
                assert state.dev_eui is not None
                return self._by_name[had], state.dev_eui, state.event == DONE and not self.again
            row = self._free(found)
            dev_eui = row.dev_eui or dev_eui_of(found.mac)
            self.journal.add(row.name, ASSIGNED, mac=found.mac, dev_eui=dev_eui)
            return row, dev_eui, False

    def _free(self, found: esp.Found) -> Row:
        free = [row for row in self.rows if self.journal.state(row.name).mac is None]
        for row in free:
            if row.mac == found.mac:
                return row
        for row in free:
            if row.mac is None and row.chip == found.chip.name:
                return row
        raise FlashError("no_row", f"no row is left for an {found.chip.name}: put this board aside")

    def _failed(self, event: Event, kind: str) -> None:
        self.red += 1
        if event.row:
            with suppress(FlashError):  # a full disk is told at the port, and takes no other board's row
                self.journal.add(event.row, kind, code=event.code, reason=event.reason)
        self._tell(event)

    def _tell(self, event: Event) -> None:
        with self._tell_lock:
            self.on_event(event)
