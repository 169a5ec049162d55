"""Flags and derived values beside the raw value, never instead of it."""

from gateway.quality.correct import ASSIGNABLE, DEFAULTS, Assignable
from gateway.quality.judge import HISTORY_MS, Judge
from gateway.quality.table import CHECKS, METHODS

__all__ = ("ASSIGNABLE", "CHECKS", "DEFAULTS", "HISTORY_MS", "METHODS", "Assignable", "Judge")
