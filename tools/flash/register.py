"""Makes a device known: registry, claim card, network server. Every step may be repeated."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gateway.claims import ClaimBook, ClaimError
from gateway.commissioning import remove_device
from gateway.errors import GatewayError
from gateway.provision import Moving
from gateway.registry import Registry, RowReport
from gateway.registry.street import put_row
from tools.flash.errors import FlashError
from tools.flash.rows import Row


class NetworkServer(Protocol):
    """Where LoRaWAN devices go beside the built-in network server (gateway.provision.chirpstack has it)."""

    def put_all(self, devices: Iterable[Moving]) -> list[RowReport]:
        """Bring devices with their keys to what they must be; GatewayError when the server is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Registered:
    """What registering gave: tag for the label, claim code for the card (None: it has an owner already)."""

    tag: str
    code: str | None = field(repr=False)


class Registrar:
    """One for a run. Safe to call from several threads."""

    def __init__(self, directory: Path, server: NetworkServer | None = None) -> None:
        self._registry = Registry(directory)
        self._claims = ClaimBook(directory / "claims.db")
        self._server = server
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the files."""
        self._registry.close()
        self._claims.close()

    def _since(self, row: Row, dev_eui: str) -> int | None:
        """Since when it is there: a board that was out of service measures from now on."""
        there = self._registry.deployments(dev_eui)
        if row.from_ms is None and there and there[-1].to_ms is not None:
            return time.time_ns() // 1_000_000
        return row.from_ms

    def take_out(self, dev_eui: str) -> None:
        """Take a device out of service whose board was lost, if it got as far as the registry."""
        if self._registry.device(dev_eui) is not None:
            remove_device(self._registry, self._claims, dev_eui, time.time_ns() // 1_000_000)

    def put(self, row: Row, dev_eui: str, app_key: str | None, password: str | None) -> Registered:
        """Register a device with its site; RegistryError when it cannot be."""
        fields = _fields(row, app_key, password)
        with self._lock:
            put_row(self._registry, dev_eui, fields, self._since(row, dev_eui))
        if self._server is not None and app_key is not None:
            name = row.title
            moving = Moving(dev_eui, row.join_eui, name, row.kind, bytes.fromhex(app_key))
            try:
                (report,) = self._server.put_all([moving])
            except GatewayError as error:  # it will be there again: the row is not at fault
                raise FlashError("server", str(error)) from error
            if report.outcome == "refused":
                raise FlashError("server", f"the network server refuses {dev_eui}: {report.message}")
        tag = self._claims.tag_of(dev_eui)
        try:
            code = self._claims.issue(dev_eui, time.time_ns() // 1_000_000)
        except ClaimError:  # it has an owner already: flashed again, it keeps that one
            code = None
        return Registered(tag, code)


def _fields(row: Row, app_key: str | None, password: str | None) -> dict[str, Any]:
    lorawan = row.transport == "lorawan"
    return {
        "kind": row.kind,
        "transport": row.transport,
        "join_eui": row.join_eui if lorawan else None,
        "app_key": app_key,
        "mqtt_password": password,
        "site": dict(row.site),
    }
