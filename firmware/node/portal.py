"""The node's own Wi-Fi network for set-up, where every name is the node: phones then show its page by
themselves.

The network is open: whoever sets the node up stands beside it, and it is only there while the node has no
network, or for three minutes after power came. The password of the house travels over it once.
"""

from radio import dns


class Portal:
    """network, socket: MicroPython's modules. name: of the network. A service of node.desk, for the names."""

    def __init__(self, network, socket, name):
        self._network = network
        self._socket = socket
        self._name = name
        self._ap = None
        self._sock = None
        self.address = ""
        self.gone = False

    def open(self):
        """Make the network, and answer for every name in it; OSError when the radio refuses."""
        network = self._network
        self._ap = network.WLAN(network.AP_IF)
        self._ap.config(ssid=self._name, security=0)
        self._ap.active(True)
        self.address = self._ap.ifconfig()[0]
        sock = self._socket.socket(self._socket.AF_INET, self._socket.SOCK_DGRAM)
        sock.bind(("", dns.PORT))
        sock.setblocking(False)
        self._sock = sock

    def close(self):
        """Take the network away."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None
        if self._ap is not None:
            self._ap.active(False)
            self._ap = None
        self.address = ""

    def poll(self):
        """Answer one question; tell whether there was one."""
        if self._sock is None:
            return False
        try:
            question, sender = self._sock.recvfrom(512)
        except OSError:
            return False
        answer = dns.catch_all(question, bytes([int(part) for part in self.address.split(".")]))
        if answer is not None:
            try:
                self._sock.sendto(answer, sender)
            except OSError:
                pass
        return True
