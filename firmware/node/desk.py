"""The desk where people set the node up: over the serial port (Improv), or in its own Wi-Fi network.

It is served while the state machine sleeps, so a node that waits for its Wi-Fi measures all the while.
"""

from wire._compat import const

from . import config_file

_POLL_MS = const(20)
# Nobody came for a while: a page that opens a second later is no matter, a processor that rests is. One poll
# over console, names and page would not rest more on a chip: select.poll of ports/esp32 makes no system call
# (extmod/modselect.c without its POSIX optimisations), it asks each of them at every tick.
_IDLE_POLL_MS = const(1000)
_LIVELY_MS = const(180000)
_GOODBYE_MS = const(3000)  # from new values to the start with them: the answer must reach the other side


class Desk:
    """What Improv and the portal do to the node. `cause` is why the last attempt failed, 0 for none.

    wifi: node.wifi.Wifi. clock: ticks_ms, ticks_diff, sleep_ms. idle: nothing else wants to be done while
    somebody is waited for.
    """

    def __init__(self, wifi, clock, idle=False):
        self.wifi = wifi
        self._clock = clock
        self._idle = idle
        self._began_ms = clock.ticks_ms()
        self._services = []  # (service, until in ms after the start, None for ever)
        self._changed_ms = None
        self._visited_ms = self._began_ms
        self.cause = 0

    # -- its hours -------------------------------------------------------------------------------------

    def add(self, service, for_ms=None):
        """Serve something: poll() -> whether anybody was there, close(), gone. for_ms: None for ever."""
        self._services.append((service, for_ms))

    @property
    def open(self):
        """Tell whether somebody may come; services whose time is over, or whose line is cut, are closed."""
        since_ms = self._clock.ticks_diff(self._clock.ticks_ms(), self._began_ms)
        for row in list(self._services):
            if row[0].gone or (row[1] is not None and since_ms > row[1]):
                row[0].close()
                self._services.remove(row)
        return bool(self._services)

    def serve(self, ms):
        """Serve whoever comes, for so long."""
        began_ms = self._clock.ticks_ms()
        left_ms = ms
        while True:
            busy = False
            if self._idle and len(self._services) == 1 and hasattr(self._services[0][0], "wait"):
                # Only the page: its socket waits, so the processor rests and a visitor is served at once.
                busy = self._services[0][0].wait(left_ms)
            else:
                for service, _until in self._services:
                    busy = service.poll() or busy
            left_ms = ms - self._clock.ticks_diff(self._clock.ticks_ms(), began_ms)
            if left_ms <= 0:
                return
            if busy:
                self._visited_ms = self._clock.ticks_ms()
                continue
            quiet_ms = self._clock.ticks_diff(self._clock.ticks_ms(), self._visited_ms)
            if not 0 <= quiet_ms < _LIVELY_MS:
                self._visited_ms = self._clock.ticks_add(self._clock.ticks_ms(), -_LIVELY_MS)  # ticks wrap
            pause_ms = _POLL_MS if 0 <= quiet_ms < _LIVELY_MS else _IDLE_POLL_MS
            self._clock.sleep_ms(min(pause_ms, left_ms))

    @property
    def reset_due(self):
        """Tell whether the node is to start with new values."""
        if self._changed_ms is None:
            return False
        return self._clock.ticks_diff(self._clock.ticks_ms(), self._changed_ms) > _GOODBYE_MS

    # -- what is done there ----------------------------------------------------------------------------

    def scan(self):
        """Return the networks around: [(ssid, rssi in dBm, whether it wants a password)]."""
        return self.wifi.scan()

    def try_wifi(self, ssid, password):
        """Join a network; keep it in config.json when that works. Return 0 or the cause."""
        self.wifi.off()
        self.cause = self.wifi.join(ssid, password)
        if not self.cause:
            self.keep([("wifi.ssid", ssid), ("wifi.password", password)])
        return self.cause

    def keep(self, pairs):
        """Write values to config.json, and start with them soon."""
        known = config_file.read()
        if known.get("radio", "none") in ("none", "wifi"):  # without a gateway there is the node's own page
            pairs = pairs + [("radio", "mqtt" if _gateway(known) else "wifi")]
        config_file.merge(pairs)
        self._changed_ms = self._clock.ticks_ms()

    def start_anew(self):
        """Have the node start with what config.json holds now, once the answer has gone out."""
        self._changed_ms = self._clock.ticks_ms()

    def portal_url(self):
        """Return where the page is in the node's own network, "" without one."""
        for service, _until in self._services:
            address = getattr(service, "address", "")
            if address:
                return "http://" + address + "/wifi"
        return ""

    def url(self):
        """Return where the node's own page is, "" while it has no address."""
        address = self.wifi.address()
        return "http://" + address + "/" if address else ""


def _gateway(data):
    """Tell whether a configuration names a gateway to log in at."""
    inner = data.get("mqtt")
    return isinstance(inner, dict) and bool(inner.get("host")) and bool(inner.get("password"))
