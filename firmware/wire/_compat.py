"""The one place that knows which Python runs: `const` folds on the chip and is the identity elsewhere."""

try:
    from micropython import const
except ImportError:  # CPython

    def const(value):
        """Return value unchanged; MicroPython's compiler folds it instead."""
        return value


__all__ = ("const",)
