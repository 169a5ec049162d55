"""What others write here, when writing is allowed: a file of its own beside the store, which stays untouched.

Entities are kept in memory too (there are few); observations are looked up by index (datastream, time).
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gateway.errors import StoreError
from gateway.publish.sensorthings_server.catalogue import empty
from gateway.publish.sensorthings_server.model import OBSERVATIONS, TYPES, Entity, Fields
from gateway.publish.sensorthings_server.values import time_of

FIRST_OBSERVATION = 1 << 52  # above every id of our own observations, still exact as a double

_TABLES = """
CREATE TABLE entities(type TEXT NOT NULL, id INTEGER PRIMARY KEY AUTOINCREMENT, fields TEXT NOT NULL,
    links TEXT NOT NULL);
CREATE TABLE observations(id INTEGER PRIMARY KEY AUTOINCREMENT, datastream INTEGER NOT NULL,
    feature INTEGER NOT NULL, start_ms INTEGER NOT NULL, fields TEXT NOT NULL);
CREATE INDEX observations_by_stream ON observations(datastream, start_ms, id);
CREATE INDEX observations_by_time ON observations(start_ms, id);
CREATE INDEX observations_by_feature ON observations(feature);
PRAGMA user_version = 1;
"""


class Written:
    """Entities and observations of others. Called from several threads."""

    def __init__(self, path: Path) -> None:
        """Open or create; raise StoreError."""
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            if self._db.execute("PRAGMA user_version").fetchone()[0] == 0:
                self._db.executescript(_TABLES)
                self._db.execute(
                    "INSERT INTO sqlite_sequence VALUES ('observations', ?)", (FIRST_OBSERVATION - 1,)
                )
        except sqlite3.Error as error:
            raise StoreError(f"{path.name}: {error}; move the file away to begin anew") from error
        self._lock = threading.RLock()
        self.entities = empty()
        for kind, entity_id, fields, links in self._db.execute(
            "SELECT type, id, fields, links FROM entities"
        ):
            self.entities[kind][entity_id] = Entity(
                TYPES[kind], entity_id, json.loads(fields), json.loads(links)
            )

    @property
    def lock(self) -> threading.RLock:
        """What whoever changes several things at once holds."""
        return self._lock

    def begin(self) -> None:
        """Begin a transaction."""
        self._db.execute("BEGIN IMMEDIATE")

    def end(self, is_good: bool) -> None:
        """End it; when it went wrong, what is in memory is read again."""
        self._db.execute("COMMIT" if is_good else "ROLLBACK")
        if not is_good:
            self.entities = empty()
            rows = self._db.execute("SELECT type, id, fields, links FROM entities")
            for kind, entity_id, fields, links in rows:
                self.entities[kind][entity_id] = Entity(
                    TYPES[kind], entity_id, json.loads(fields), json.loads(links)
                )

    def add(self, kind: str, fields: Fields) -> Entity:
        """Add an entity without links."""
        cursor = self._db.execute(
            "INSERT INTO entities(type, fields, links) VALUES (?, ?, '{}')", (kind, json.dumps(fields))
        )
        assert cursor.lastrowid is not None
        entity = self.entities[kind][cursor.lastrowid] = Entity(TYPES[kind], cursor.lastrowid, fields)
        return entity

    def save(self, entity: Entity) -> None:
        """Save changed fields and links."""
        self._db.execute(
            "UPDATE entities SET fields = ?, links = ? WHERE id = ?",
            (json.dumps(entity.fields), json.dumps(entity.links), entity.id),
        )

    def remove(self, entity: Entity) -> None:
        """Remove an entity; its links are the caller's."""
        self.entities[entity.type.name].pop(entity.id, None)
        self._db.execute("DELETE FROM entities WHERE id = ?", (entity.id,))

    def add_observation(self, datastream: int, feature: int, fields: Fields) -> int:
        """Add an observation and return its id."""
        cursor = self._db.execute(
            "INSERT INTO observations(datastream, feature, start_ms, fields) VALUES (?, ?, ?, ?)",
            (datastream, feature, time_of(fields["phenomenonTime"]).start, json.dumps(fields)),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def change_observation(self, entity: Entity) -> None:
        """Save a changed observation."""
        (datastream,), (feature,) = entity.links["Datastream"], entity.links["FeatureOfInterest"]
        self._db.execute(
            "UPDATE observations SET datastream = ?, feature = ?, start_ms = ?, fields = ? WHERE id = ?",
            (datastream, feature, time_of(entity.fields["phenomenonTime"]).start, json.dumps(entity.fields),
             entity.id),
        )  # fmt: skip

    def remove_observations(self, column: str, value: int) -> None:
        """Remove observations by `id`, `datastream` or `feature`."""
        assert column in ("id", "datastream", "feature")
        self._db.execute(f"DELETE FROM observations WHERE {column} = ?", (value,))  # noqa: S608

    def observation(self, entity_id: int) -> Entity | None:
        """Return an observation, or None."""
        with self._lock:
            row = self._db.execute(_SELECT + "WHERE id = ?", (entity_id,)).fetchone()
        return _entity(row) if row else None

    def scan(
        self, streams: Sequence[int] | None, feature: int | None, start_ms: int, end_ms: int, descending: bool
    ) -> Iterator[Entity]:
        """Yield observations in [start_ms, end_ms) by (start, id), a page at a time: no lock is kept."""
        where, keys = "", list[Any]()
        if streams is not None:
            where += f"datastream IN ({','.join('?' * len(streams))}) AND "
            keys += streams
        if feature is not None:
            where += "feature = ? AND "
            keys.append(feature)
        way, beyond = ("DESC", "<") if descending else ("ASC", ">")
        edge = (end_ms, -1) if descending else (start_ms, -1)
        while True:
            with self._lock:
                rows = self._db.execute(
                    f"{_SELECT}WHERE {where}start_ms >= ? AND start_ms < ? "
                    f"AND (start_ms, id) {beyond} (?, ?) "
                    f"ORDER BY start_ms {way}, id {way} LIMIT 500",
                    (*keys, start_ms, end_ms, *edge),
                ).fetchall()
            yield from map(_entity, rows)
            if len(rows) < 500:
                return
            edge = (rows[-1][3], rows[-1][0])

    def count(self, streams: Sequence[int] | None, feature: int | None) -> int:
        """Return how many observations there are, of Datastreams or of a FeatureOfInterest."""
        where, keys = "1", list[int]()
        if streams is not None:
            where, keys = f"datastream IN ({','.join('?' * len(streams))})", list(streams)
        elif feature is not None:
            where, keys = "feature = ?", [feature]
        with self._lock:
            return self._db.execute(f"SELECT COUNT(*) FROM observations WHERE {where}", keys).fetchone()[0]  # noqa: S608

    def span(self, datastream: int) -> tuple[int, int] | None:
        """Return the first and last start of a Datastream's observations."""
        with self._lock:
            found = self._db.execute(
                "SELECT MIN(start_ms), MAX(start_ms) FROM observations WHERE datastream = ?",
                (datastream,),
            ).fetchone()
        return None if found[0] is None else found

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()


_SELECT = "SELECT id, datastream, feature, start_ms, fields FROM observations "


def _entity(row: tuple[int, int, int, int, str]) -> Entity:
    entity_id, datastream, feature, _, fields = row
    return Entity(
        OBSERVATIONS,
        entity_id,
        json.loads(fields),
        {"Datastream": [datastream], "FeatureOfInterest": [feature]},
    )
