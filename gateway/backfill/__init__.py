"""Back-fill: which records did not arrive, and asking for them."""

from gateway.backfill.book import GapBook
from gateway.backfill.service import Backfill, Heard

__all__ = ("Backfill", "GapBook", "Heard")
