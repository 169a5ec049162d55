"""Tens of thousands of nodes at once: the same bytes as the firmware sends, without a process each."""

from simulator.fleet.plan import town
from simulator.fleet.street import FleetConfig, FleetStreet

__all__ = ("FleetConfig", "FleetStreet", "town")
