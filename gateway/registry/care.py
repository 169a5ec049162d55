"""What is known of a device besides what it is: calibrations, corrections, orders and answers."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path
from typing import Any

from gateway.errors import RegistryError
from gateway.registry import answers, corrections
from gateway.registry.atomic import atomic
from gateway.registry.devices import Devices
from gateway.registry.model import Calibration, Correction, NodeAnswer, NodeOrder


class Care(Devices):
    """How devices are kept right: each record says when, and what speaks for it."""

    def __init__(self, directory: Path) -> None:
        """As RegistryFiles."""
        super().__init__(directory)
        self._corrections: dict[tuple[str, str], list[Correction]] | None = None

    def calibrations(self, dev_eui: str | None = None) -> list[Calibration]:
        """Return calibrations by device and time; one that is done holds until the next that is done."""
        with self._lock:
            rows = self._db.execute(
                "SELECT *, CASE WHEN outcome = 'done' THEN (SELECT MIN(b.at_ms) FROM calibrations b WHERE "
                "b.dev_eui = a.dev_eui AND b.at_ms > a.at_ms AND b.outcome = 'done') END "
                "FROM calibrations a WHERE dev_eui = ? OR ? IS NULL ORDER BY dev_eui, at_ms, token",
                (dev_eui, dev_eui),
            )
            return [Calibration(*row) for row in rows]

    def put_calibration(self, found: Calibration) -> None:
        """Keep what a node told of a calibration; told twice, it is kept once."""
        with self._lock:
            self._db.execute(
                "INSERT OR IGNORE INTO calibrations VALUES (?, ?, ?, ?, ?, ?, ?)", astuple(found)[:7]
            )

    def corrections(self, dev_eui: str | None = None) -> list[Correction]:
        """Return the corrections on record, also those that ended, by device, quantity and time."""
        with self._lock:
            return corrections.read(self._db, dev_eui)

    def corrected_devices(self) -> frozenset[str]:
        """Return the devices of which any correction is on record."""
        with self._lock:
            self._refresh()
            return frozenset(dev_eui for dev_eui, _ in self._all_corrections())

    def correction(self, dev_eui: str, quantity: str, at_ms: int) -> Correction | None:
        """Return the correction on record for a value observed at a time, or None."""
        with self._lock:
            self._refresh()
            for row in self._all_corrections().get((dev_eui, quantity), ()):
                if row.from_ms <= at_ms and (row.to_ms is None or at_ms < row.to_ms):
                    return row
        return None

    def put_correction(self, found: Correction) -> bool:
        """Put a correction on record; return False when it already is. Raise RegistryError."""
        with self._lock:
            if self.device(found.dev_eui) is None:
                raise RegistryError(f"{found.dev_eui} is not registered: add it with meetnet device add")
            with atomic(self._db):
                changed = corrections.put(self._db, found)
            self._forget_cache()
            return changed

    def end_correction(self, dev_eui: str, quantity: str, at_ms: int) -> bool:
        """Let a correction end at a time; return False when none goes on."""
        with self._lock:
            ended = corrections.end(self._db, dev_eui, quantity, at_ms)
            self._forget_cache()
            return ended

    def _all_corrections(self) -> dict[tuple[str, str], list[Correction]]:
        if self._corrections is None:
            self._corrections = {}
            for row in corrections.read(self._db):
                self._corrections.setdefault((row.dev_eui, row.quantity), []).append(row)
        return self._corrections

    # -- configuration of nodes

    def node_answers(self, dev_eui: str) -> list[NodeAnswer]:
        """Return the latest answers of a device to configuration commands, oldest first."""
        with self._lock:
            return answers.answers(self._db, dev_eui)

    def node_orders(self, dev_eui: str) -> list[NodeOrder]:
        """Return the latest orders to a device to change its configuration, oldest first."""
        with self._lock:
            return answers.orders(self._db, dev_eui)

    def node_config(self, dev_eui: str) -> dict[str, Any] | None:
        """Return what is known of a device's configuration (see gateway.registry.answers), or None."""
        with self._lock:
            return answers.known(self._db, dev_eui)

    def put_node_answer(self, found: NodeAnswer) -> None:
        """Keep what a node answered to a configuration command; handed over twice, it is kept once."""
        with self._lock, atomic(self._db):
            answers.put(self._db, found)

    def put_node_order(self, order: NodeOrder) -> None:
        """Keep what a node was asked to change."""
        with self._lock, atomic(self._db):
            answers.put_order(self._db, order)

    def _forget_cache(self) -> None:
        super()._forget_cache()
        self._corrections = None
