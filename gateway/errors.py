"""Errors of the gateway.

GatewayError
  +- ConfigError        a setting is wrong: `key`, and what to do
  +- IngestError        bytes from outside that are not what they claim: counted, never fatal
  +- StoreError         the disk or the database refuses
  |    +- StoreVersionError   written by a newer Meetnet
  +- SheetError         a spreadsheet's list that cannot be read: line or field, and what to do
  +- RegistryError      a site, device or deployment that cannot be
  +- QualityError       data or a method that cannot be judged by: `field`, and what to do
  +- DownlinkError      a payload for a device that cannot be handed to its network
  +- UpdateError        a key, bundle or roll-out that cannot be
"""

from __future__ import annotations


class GatewayError(Exception):
    """Family of everything that the gateway raises on purpose."""


class ConfigError(GatewayError):
    """A setting is wrong. `key` is its dotted name; the message ends with the remedy.

    others: what else was found wrong at once.
    """

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}")
        self.key = key
        self.others: tuple[ConfigError, ...] = ()


class IngestError(GatewayError):
    """Bytes from outside that are not what they claim to be. `cause` is a counter name."""

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause


class StoreError(GatewayError):
    """The disk or the database refuses."""


class StoreVersionError(StoreError):
    """The database was written by a newer Meetnet."""


class SheetError(GatewayError):
    """A spreadsheet's list that cannot be read; the message names line or field, and ends with the remedy."""


class RegistryError(GatewayError):
    """A site, device or deployment that cannot be."""


class QualityError(GatewayError):
    """Data or a method that nothing can be judged by. `field` names what is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class DownlinkError(GatewayError):
    """A payload for a device that cannot be handed to its network now; the message ends with the remedy."""


class UpdateError(GatewayError):
    """A key, a bundle or a roll-out that cannot be; the message ends with the remedy.

    cause: what the pages have words of their own for (gateway/web/rollouts.py); "" where no page meets it.
    """

    def __init__(self, message: str, cause: str = "") -> None:
        super().__init__(message)
        self.cause = cause
