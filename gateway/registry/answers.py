"""What nodes were asked and told of their configuration: latest orders, answers, and value of each key.

Answers may be handed over again in any order (the log is read again after a crash): nothing is kept twice
and an older value never replaces a newer one.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from gateway.registry.model import NodeAnswer, NodeOrder

KEPT = 20  # answers and orders of each device
# Older Meetnets pass them by, so they need no new schema.
TABLES = (
    """CREATE TABLE IF NOT EXISTS node_answers(
    dev_eui TEXT NOT NULL, at_ms INTEGER NOT NULL, token INTEGER NOT NULL, outcome TEXT NOT NULL,
    key TEXT NOT NULL, config_hash TEXT NOT NULL, told TEXT NOT NULL,
    PRIMARY KEY(dev_eui, at_ms, token, outcome)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS node_values(
    dev_eui TEXT NOT NULL, key TEXT NOT NULL, value INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    config_hash TEXT NOT NULL, PRIMARY KEY(dev_eui, key)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS node_orders(
    dev_eui TEXT NOT NULL, at_ms INTEGER NOT NULL, token INTEGER NOT NULL, trial_min INTEGER NOT NULL,
    asked TEXT NOT NULL, who TEXT NOT NULL, PRIMARY KEY(dev_eui, at_ms, token)) WITHOUT ROWID""",
)
_FORGET = (
    "DELETE FROM {table} WHERE dev_eui = ? AND at_ms < (SELECT MIN(at_ms) FROM "
    "(SELECT at_ms FROM {table} WHERE dev_eui = ? ORDER BY at_ms DESC LIMIT ?))"
)


def put(db: sqlite3.Connection, found: NodeAnswer) -> None:
    """Keep an answer and the values in it; of an order that was kept, the values are those asked for."""
    values = found.values
    if found.outcome == "kept":
        asked = [order.values for order in orders(db, found.dev_eui) if order.token == found.token]
        values = asked[-1] if asked else values
    db.execute(
        "INSERT OR IGNORE INTO node_answers VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            found.dev_eui, found.at_ms, found.token, found.outcome, found.key, found.config_hash,
            json.dumps(found.values),
        ),
    )  # fmt: skip
    db.executemany(
        "INSERT INTO node_values VALUES (?, ?, ?, ?, ?) ON CONFLICT(dev_eui, key) DO UPDATE SET "
        "value = excluded.value, at_ms = excluded.at_ms, config_hash = excluded.config_hash "
        "WHERE excluded.at_ms >= at_ms",
        [(found.dev_eui, key, value, found.at_ms, found.config_hash) for key, value in values.items()],
    )
    db.execute(_FORGET.format(table="node_answers"), (found.dev_eui, found.dev_eui, KEPT))


def put_order(db: sqlite3.Connection, order: NodeOrder) -> None:
    """Keep an order."""
    db.execute(
        "INSERT OR REPLACE INTO node_orders VALUES (?, ?, ?, ?, ?, ?)",
        (order.dev_eui, order.at_ms, order.token, order.trial_min, json.dumps(order.values), order.who),
    )
    db.execute(_FORGET.format(table="node_orders"), (order.dev_eui, order.dev_eui, KEPT))


def orders(db: sqlite3.Connection, dev_eui: str) -> list[NodeOrder]:
    """Return the latest orders to a device, oldest first."""
    rows = db.execute("SELECT * FROM node_orders WHERE dev_eui = ? ORDER BY at_ms", (dev_eui,))
    return [
        NodeOrder(dev_eui, at_ms, token, trial_min, json.loads(asked), who)
        for dev_eui, at_ms, token, trial_min, asked, who in rows
    ]


def answers(db: sqlite3.Connection, dev_eui: str) -> list[NodeAnswer]:
    """Return the latest answers of a device, oldest first."""
    rows = db.execute("SELECT * FROM node_answers WHERE dev_eui = ? ORDER BY at_ms", (dev_eui,))
    return [
        NodeAnswer(dev_eui, at_ms, token, outcome, key, config_hash, json.loads(told))
        for dev_eui, at_ms, token, outcome, key, config_hash, told in rows
    ]


def known(db: sqlite3.Connection, dev_eui: str) -> dict[str, Any] | None:
    """Return what is known of a device's configuration, or None when it never answered.

    {"hash", "at_ms", "outcome", "key", "values": {key: {"value", "at_ms", "current"}}} of the newest answer;
    `current` is False when the node has run another configuration since the value was told.
    """
    told = answers(db, dev_eui)
    if not told:
        return None
    newest = told[-1]
    rows = db.execute(
        "SELECT key, value, at_ms, config_hash FROM node_values WHERE dev_eui = ? ORDER BY key", (dev_eui,)
    )
    return {
        "hash": newest.config_hash,
        "at_ms": newest.at_ms,
        "outcome": newest.outcome,
        "key": newest.key,
        "values": {
            key: {"value": value, "at_ms": at_ms, "current": config_hash == newest.config_hash}
            for key, value, at_ms, config_hash in rows
        },
    }
