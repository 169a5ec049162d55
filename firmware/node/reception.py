"""Which services the desk of this node has, and for how long: only for nodes that may have Wi-Fi."""

import gc
import sys
import time

from wire._compat import const

from .desk import Desk
from .version import VERSION

# A node that has its network listens this long after power came: who wants to change it, plugs it in anew.
# One that has none listens for ever: it has nothing better to do, and measures all the while.
_CONSOLE_MS = const(180000)
_NO_NETWORK_MS = const(1800000)  # on a battery that would be its end


def open_desk(hal, settings, link):
    """Return the Desk, or None where there is no Wi-Fi. link: node.wifi_link.WifiLink or none."""
    wifi = getattr(link, "wifi", None)
    if wifi is None:
        try:
            import network

            from .wifi import Wifi

            wifi = Wifi(network, hal.waits or time)
        except ImportError:
            return None
    desk = Desk(wifi, hal.waits or time, hal.waits is None)
    for_ms = _CONSOLE_MS if settings["wifi.ssid"] else _NO_NETWORK_MS if settings["battery_low_mv"] else None
    improv = _improv(desk, settings)
    if improv is not None:
        desk.add(improv, for_ms)
    return desk


def open_web(desk, node, settings, link):
    """Put the node's own page on the desk, and its own network where set-up is open. Mains only."""
    if settings["radio"] == "lorawan" or settings["battery_low_mv"] or not settings["page"]:
        return
    try:
        import socket

        import network

        from .page import Pages
        from .web import Web
    except MemoryError:  # a node with many parts measures; the page can be done without
        gc.collect()
        print("page: no memory for it")  # noqa: T201
        return
    began_ms = node.time.uptime_ms()
    unset = not settings["wifi.ssid"]
    # After a reset that was no power cut nobody stands there: a node that starts by itself opens nothing.
    by_hand = node.health.reset_cause in (1, 2)

    def may_set_up():
        return unset or (by_hand and node.time.uptime_ms() - began_ms < _CONSOLE_MS)

    try:
        network.hostname(_name(settings))
        web = Web(socket, Pages(node, desk, may_set_up, settings["language"]).answer)
        if unset or by_hand:
            from .portal import Portal

            portal = Portal(network, socket, _name(settings))
            portal.open()
            desk.add(portal, None if unset else _CONSOLE_MS)
        web.open()
        desk.add(web)
        if not unset:
            link.stay = True
    except (OSError, AttributeError, MemoryError) as error:
        gc.collect()
        print("page: " + repr(error))  # noqa: T201


def _improv(desk, settings):
    try:
        from .console import Console
        from .improv import Improv

        info = ("Meetnet", ".".join([str(n) for n in VERSION]), _chip(), _name(settings))
        return Improv(Console(), desk, time, info)
    except (ImportError, OSError, AttributeError):  # a board without a console
        return None


def _chip():
    """Return the family of the chip as flashing tools name it: ESP32, ESP32-S3, ESP32-C3."""
    machine = getattr(sys.implementation, "_machine", "")  # "Generic ESP32S3 module with ESP32S3"
    for family in ("ESP32S2", "ESP32S3", "ESP32C3", "ESP32C5", "ESP32C6", "ESP32P4"):
        if machine.upper().replace("-", "").find(family) >= 0:
            return "ESP32-" + family[5:]
    return "ESP32"


def _name(settings):
    """Return a name that tells one node from another: the end of the DevEUI, which is on the label."""
    return "meetnet-" + settings["dev_eui"][-6:]
