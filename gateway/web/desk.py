"""The desk of a context, or a refusal where there is none."""

from __future__ import annotations

from gateway.web.context import Context
from gateway.web.gate import RefusedError
from gateway.web.house import Desk
from gateway.web.signing import NO_ACCOUNTS


def desk_of(context: Context) -> Desk:
    """Return the desk; RefusedError (404) where the page is public only."""
    if context.house is None or context.house.desk is None:
        raise RefusedError(404, NO_ACCOUNTS)
    return context.house.desk
