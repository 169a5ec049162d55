"""Devices that are not ours: profiles say how they write (see README.md)."""

from gateway.decode.foreign.errors import FormatError, ProfileError
from gateway.decode.foreign.loading import Profiles
from gateway.decode.foreign.profile import Profile
from gateway.decode.foreign.records import Foreign, fingerprint

__all__ = ("Foreign", "FormatError", "Profile", "ProfileError", "Profiles", "fingerprint")
