"""Why a claim is refused: a code for the page's own words, and a sentence with the remedy in English."""

from __future__ import annotations

from gateway.errors import GatewayError

SENTENCES = {
    "typo": "this code cannot be right: compare it with the card, letter by letter",
    "unknown": "nobody gave out this code: scan the card that came in the box of this sensor",
    "expired": "this code is too old: ask whoever gave you the sensor for a new card",
    "replaced": "a newer card was made for this sensor: use that one",
    "taken": "somebody else has claimed this sensor: ask them to hand it over, or the city for a new card",
    "owner": "an owner is 1 to 254 characters",
    "not_owner": "only the owner of this sensor can do that",
    "device": "this device is not registered: add it first (meetnet device add)",
}


class ClaimError(GatewayError):
    """A claim is refused. `code` is a key of SENTENCES, for a page to put in the host's language."""

    def __init__(self, code: str) -> None:
        super().__init__(SENTENCES[code])
        self.code = code
