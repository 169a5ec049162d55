"""The command `meetnet`.

Exit codes: 0 done; 1 it failed, the reason is on stderr; 2 wrong usage; 3 no gateway is running;
4 some rows of an import were refused.
"""

from __future__ import annotations

from gateway.cli.main import main

__all__ = ("main",)
