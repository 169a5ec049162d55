"""What stops a board or a whole run: one sentence with the remedy, and a code for programs."""

from __future__ import annotations


class FlashError(Exception):
    """`code` is short and stable; the message is for the person at the bench. It never holds a key."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
