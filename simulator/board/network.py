# Wi-Fi of ports/esp32. The access point lives in the world: it may be away, or refuse the password.
import ujson

from _link import HELLO, S, ask, ask_with, payload, spend

STA_IF = 0
AP_IF = 1
STAT_IDLE = 1000
STAT_CONNECTING = 1001
STAT_GOT_IP = 1010
STAT_NO_AP_FOUND = 201
STAT_WRONG_PASSWORD = 202
STAT_BEACON_TIMEOUT = 200
STAT_ASSOC_FAIL = 203
STAT_HANDSHAKE_TIMEOUT = 204
AUTH_WPA2_PSK = 3


class WLAN:
    IF_STA = 0
    IF_AP = 1
    PM_NONE = 0
    PM_PERFORMANCE = 1
    PM_POWERSAVE = 2

    def __init__(self, interface_id=0):
        self._ap = interface_id == AP_IF

    def active(self, on=None):
        if self._ap:
            if on is not None:
                _ap[0] = bool(on)
                ask_with(32, _ap[0], 0, (_ap[1] + "\0" + _ap[2]).encode())
            return _ap[0]
        if on is not None:
            _wifi[0] = bool(on)
            if not on:
                self.disconnect()
        return _wifi[0]

    def connect(self, ssid=None, key=None, *, bssid=None):
        if not _wifi[0]:
            raise OSError("Wifi Not Started")
        ask_with(18, 0, 0, ((ssid or "") + "\0" + (key or "")).encode())
        _wifi[1] = S.n + S.now  # until then it is connecting

    def disconnect(self):
        if _wifi[1] is not None:
            ask_with(18, 1, 0, b"")
        _wifi[1] = None

    def status(self, param=None):
        if param == "rssi":
            return -61
        spend(20)
        if _wifi[1] is None:
            return STAT_IDLE
        if S.now < _wifi[1]:
            return STAT_CONNECTING
        ask(19, 0, 0, 0, S.now)
        # network_wlan.c: without a limit on reconnections it tries for ever and tells no reason
        return S.value if S.value == STAT_GOT_IP or _wifi[2] else STAT_CONNECTING

    def isconnected(self):
        if self._ap:
            return False
        return self.status() == STAT_GOT_IP

    def ifconfig(self, config=None):
        if self._ap:
            return ("192.168.4.1", "255.255.255.0", "192.168.4.1", "192.168.4.1")
        return ("10.77.0.2", "255.255.255.0", "10.77.0.1", "10.77.0.1")

    def ipconfig(self, what):
        return ("10.77.0.2", "255.255.255.0")

    def config(self, what=None, **options):
        if what == "mac":
            return bytes.fromhex(HELLO["unique_id"])
        if self._ap:
            _ap[1] = options.get("ssid", _ap[1])
            _ap[2] = options.get("key", _ap[2])
        elif "reconnects" in options:
            _wifi[2] = options["reconnects"]
        return None

    def scan(self):
        spend(2500000)  # 13 channels, about 0.2 s each
        ask(31, 0, 0, 0, S.now)
        return [
            (name.encode(), b"\x02\x00\x00\x00\x00" + bytes([i]), 1 + i % 13, rssi, 3 if locked else 0, False)
            for i, (name, rssi, locked) in enumerate(ujson.loads(payload()))
        ]


_wifi = [False, None, 0]
_ap = [False, "ESP", ""]


AUTH_OPEN = 0


def hostname(name=None):
    return "meetnet"


def country(code=None):
    return "BE"
