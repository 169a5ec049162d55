"""No way out: without a radio, or without keys, the node measures and keeps its records."""

from .link import Link


class NoLink(Link):
    """node.core's link that is never up."""

    def bring_up(self):
        """There is nothing to bring up."""
        return False

    def wait_ms(self):
        """Ask again in an hour."""
        return 3600000
