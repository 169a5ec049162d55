"""Errors of radios and of the MAC.

RadioError (Exception)
  +- RadioFault   the wiring or the chip: `part` names the wire or block that is at fault
"""


class RadioError(Exception):
    """A radio did not do what it was told; the text says what and what to look at."""


class RadioFault(RadioError):
    """A wiring or hardware fault; `part`: "spi", "busy", "dio1", "reset", "tcxo", "pll" or "calibration"."""

    def __init__(self, part, message):
        super().__init__(part + ": " + message)
        self.part = part
