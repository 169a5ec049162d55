"""First of all, and needing nothing else of this file system: put a half-written configuration right.

A new config.json is written as config.new, then renamed; config.old is the one before. Whoever cut the
power in between finds a node that starts with the one or with the other.
"""

import json
import os


def _good(name):
    try:
        with open(name) as f:
            return isinstance(json.load(f), dict)
    except (OSError, ValueError):
        return False


def mend():
    """Return whether config.json had to be put back from config.new or config.old."""
    if _good("config.json"):
        return False
    for copy in ("config.new", "config.old"):
        if _good(copy):
            os.rename(copy, "config.json")
            with open("mended", "w") as f:
                f.write(copy)
            return True
    return False


try:
    mend()
except OSError:
    pass  # a file system that cannot be written: the node starts with what it can read
