"""What a node answers to configuration commands: VALUES and RESULT of wire.commands."""

from __future__ import annotations

from typing import cast

from gateway.errors import IngestError
from gateway.model import Uplink
from gateway.registry.model import NodeAnswer
from wire import commands
from wire.errors import WireError

KINDS = (commands.VALUES, commands.RESULT)


def decode_answer(uplink: Uplink) -> NodeAnswer:
    """Return what the node answered; raise IngestError (decode.command_malformed)."""
    try:
        if uplink.payload[0] == commands.VALUES:
            return _values(uplink)
        token, outcome, key, config_hash = commands.unpack_result(uplink.payload)
    except WireError as error:
        raise IngestError("decode.command_malformed", f"{uplink.dev_eui}: {error}") from error
    return NodeAnswer(
        uplink.dev_eui,
        uplink.received_at_ms,
        token,
        commands.OUTCOMES[outcome],
        _name(key) if key else "",
        config_hash.hex(),
    )


def _values(uplink: Uplink) -> NodeAnswer:
    token, config_hash, pairs = cast(
        "tuple[int, bytes, list[tuple[int, int]]]", commands.unpack_values(uplink.payload)
    )
    values = {_name(number): value for number, value in pairs}
    return NodeAnswer(uplink.dev_eui, uplink.received_at_ms, token, "values", "", config_hash.hex(), values)


def _name(number: int) -> str:
    """Return a key's name; a node may be newer than we are and tell keys that we do not know."""
    row = commands.row_of(number)
    return f"key_{number}" if row is None else row[1]
