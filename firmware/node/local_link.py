"""Wi-Fi without any gateway: the node keeps its records, tells the time, and shows its own page."""

from .ip_link import IpLink


class LocalLink(IpLink):
    """node.core's link that only joins the network."""

    local = True

    @property
    def up(self):
        """Tell whether there is a network and an address."""
        return self.wifi.connected

    def bring_up(self):
        """Join, and ask the time."""
        self._want_time = True
        return self.join() and self.ask_time()
