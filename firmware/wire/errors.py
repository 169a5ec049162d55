"""Errors of everything that both ends speak.

    ValueError
      +- WireError      bytes or values that break the format; `field` names what

struct.error is not a ValueError on CPython and does not exist on MicroPython, so lengths and
ranges are checked before packing and unpacking, and this is the only error that leaves `wire`.
"""


class WireError(ValueError):
    """Bytes or values that break the wire format. `field` is the offending field's name."""

    def __init__(self, field: str, message: str):
        super().__init__(field + ": " + message)
        self.field = field
