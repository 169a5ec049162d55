"""The firmware's version, as told in the status uplink."""

VERSION = (0, 1, 0)
