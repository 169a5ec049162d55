"""Overwrite a buffer of samples, forty times a second, without allocating."""

from .noise import IS_VIPER

if IS_VIPER:
    from ._wipe import wipe as _wipe

_GROUP = 32


def wipe(frames):
    """Set a bytearray to zeros; its length is a multiple of 32 bytes."""
    if len(frames) % _GROUP:
        raise ValueError("frames: a multiple of 32 bytes")
    if IS_VIPER:
        _wipe(frames, len(frames) // _GROUP)
    else:
        frames[:] = bytes(len(frames))
