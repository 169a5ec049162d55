"""What HTTP and MQTT share of one server: who reads, who writes, and who is told of what was written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.clock import Clock
from gateway.publish.sensorthings_server.model import Entity
from gateway.publish.sensorthings_server.service import Service
from gateway.publish.sensorthings_server.settings import SensorThingsServerSettings
from gateway.publish.sensorthings_server.writing import Editor
from gateway.publish.sensorthings_server.written import Written


class Core:
    """One server. folder: where written entities are kept."""

    def __init__(self, reader: Any, clock: Clock, settings: SensorThingsServerSettings, folder: Path) -> None:
        """reader: SqlitePublicReader, for the recipient on whose behalf everybody reads."""
        self.settings = settings
        self.written = Written(folder / f"{settings.name}.db") if settings.writable else None
        self.service = Service(reader, clock, settings, self.written)
        self.editor = Editor(self.service, self.written, clock, self._tell) if self.written else None
        self._listeners: list[Callable[[Entity], None]] = []

    def listen(self, listener: Callable[[Entity], None]) -> None:
        """Have every entity that others write told, in the thread that wrote it."""
        self._listeners.append(listener)

    def close(self) -> None:
        """Close the file of written entities."""
        if self.written is not None:
            self.written.close()

    def _tell(self, entity: Entity) -> None:
        for listener in self._listeners:
            listener(entity)
