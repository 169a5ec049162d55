"""Moving devices to another network server: files that it imports, and ChirpStack's API (see README.md)."""

from gateway.provision.devices import Moving, devices_to_move
from gateway.provision.files import FORMATS, write_file

__all__ = ("FORMATS", "Moving", "devices_to_move", "write_file")
