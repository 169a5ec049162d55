"""Flags and corrections beside the raw value, never instead of it."""
