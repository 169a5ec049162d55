"""What can be wrong with a stranger's message or a profile."""

from __future__ import annotations

from gateway.errors import GatewayError


class FormatError(GatewayError):
    """A message that is not in the form its profile says. The text goes on from "the message ..."."""


class ProfileError(GatewayError):
    """A profile that cannot be used: names file, field and remedy."""
