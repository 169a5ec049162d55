"""The certification package on FPort 224 (TS009-1.0, numbers as LoRaMac-node codes them).

For test houses only: the node builds it where config.json says `"certification": true`. Downlinks go in
through take(); `answers` are payloads to send on PORT, before anything else. A test house may ask for
uplinks at a period of its own: period_ms and confirmed say so, next_payload() is what they carry.
"""

from wire._compat import const

PORT = const(224)
_PACKAGE = const(6)
_PACKAGE_VERSION = const(1)
_LONGEST = const(241)
_PERIODS_S = (0, 5, 10, 20, 30, 40, 50, 60, 120, 240, 480)
_LORAWAN = b"\x01\x00\x04\x00"
_REGIONAL = b"\x02\x01\x00\x00"  # RP2-1.0.x

_PACKAGE_VERSION_REQ = const(0x00)
_DUT_RESET_REQ = const(0x01)
_DUT_JOIN_REQ = const(0x02)
_ADR_BIT_REQ = const(0x04)
_DUTY_CYCLE_REQ = const(0x05)
_TX_PERIODICITY_REQ = const(0x06)
_TX_FRAMES_REQ = const(0x07)
_ECHO_REQ = const(0x08)
_RX_APP_CNT_REQ = const(0x09)
_RX_APP_CNT_RESET_REQ = const(0x0A)
_LINK_CHECK_REQ = const(0x20)
_DEVICE_TIME_REQ = const(0x21)
_DISABLE_REQ = const(0x7E)
_VERSIONS_REQ = const(0x7F)


class Certification:
    """The package of one device. mac: radio.classa.ClassA; firmware: (major, minor, patch).

    reset_due and join_due are wishes of the test house for whoever drives the MAC.
    """

    def __init__(self, mac, firmware):
        self._mac = mac
        self._firmware = firmware
        self.enabled = True
        self.answers = []
        self.rx_app_count = 0
        self.period_ms = 0
        self.confirmed = False
        self.reset_due = False
        self.join_due = False

    def take(self, downlinks):
        """Count application downlinks and obey those on PORT; return the others."""
        others = []
        for port, payload in downlinks:
            self.rx_app_count = self.rx_app_count + 1 & 0xFFFF
            if port == PORT and self.enabled:
                self._obey(payload)
            else:
                others.append((port, payload))
        return others

    def next_payload(self):
        """Return what a periodic uplink carries beside being sent: the counter of downlinks."""
        return bytes([_RX_APP_CNT_REQ]) + self.rx_app_count.to_bytes(2, "little")

    def _obey(self, payload):
        if not payload:
            return
        cid, rest = payload[0], bytes(payload[1:])
        if cid == _PACKAGE_VERSION_REQ:
            self.answers.append(bytes([cid, _PACKAGE, _PACKAGE_VERSION]))
        elif cid == _DUT_RESET_REQ:
            self.reset_due = True
        elif cid == _DUT_JOIN_REQ:
            self.join_due = True
        elif cid == _ECHO_REQ:
            self.answers.append(bytes([cid]) + bytes([byte + 1 & 0xFF for byte in rest[:_LONGEST]]))
        elif cid == _RX_APP_CNT_REQ:
            self.answers.append(self.next_payload())
        elif cid == _RX_APP_CNT_RESET_REQ:
            self.rx_app_count = 0
        elif cid == _LINK_CHECK_REQ:
            self._mac.request_link_check()
        elif cid == _DEVICE_TIME_REQ:
            self._mac.request_time()
        elif cid == _DISABLE_REQ:
            self.enabled = False
            self.period_ms = 0
        elif cid == _VERSIONS_REQ:
            self.answers.append(bytes([cid]) + bytes(self._firmware) + b"\x00" + _LORAWAN + _REGIONAL)
        elif rest:
            self._set(cid, rest[0])

    def _set(self, cid, value):
        """Obey a command with one parameter; a value that is reserved changes nothing."""
        if cid == _ADR_BIT_REQ and value <= 1:
            self._mac.adr = bool(value)
        elif cid == _DUTY_CYCLE_REQ and value <= 1:
            self._mac.keep_duty_cycle(bool(value))
        elif cid == _TX_PERIODICITY_REQ and value < len(_PERIODS_S):
            self.period_ms = _PERIODS_S[value] * 1000
        elif cid == _TX_FRAMES_REQ and value in (1, 2):
            self.confirmed = value == 2
