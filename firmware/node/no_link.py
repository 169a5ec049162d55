"""No way out: without a radio, or without keys, the node measures and keeps its records."""


class NoLink:
    """node.core's link that is never up."""

    up = False
    called = False
    downlinks = ()
    failures = 0
    last_failure = 0
    text = ""

    def bring_up(self):
        """There is nothing to bring up."""
        return False

    def wait_ms(self):
        """Ask again in an hour."""
        return 3600000

    def take_time(self):
        """Nobody tells the time."""

    def rest(self):
        """It always rests."""

    def calls_in_ms(self):
        """Never by itself."""
        return 1 << 29

    def battery(self, level):
        """Nobody asks."""
