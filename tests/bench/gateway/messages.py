"""Uplinks as ChirpStack v4 publishes them in JSON, about 1,000 bytes each, and the network that sends them.

Message number n is the reading n // devices of device n % devices: a sink that sees site and time knows the
number. The frames are made by the nodes' own encoder; values move slowly, as air does.
"""

from __future__ import annotations

import base64
import math
import time
from pathlib import Path

import wire.codec
from gateway.registry import Device, Registry, Site
from wire import measurements
from wire.record import OK, TIME_NETWORK, Record

QUANTITIES = ("pm1", "pm2_5", "pm4", "pm10", "temperature", "relative_humidity", "battery")
STEP_S = 60
APPLICATION = "7a1f0c52-6c1b-4a37-9d47-3f5d1a7e9b10"
_VARIANTS = 64
_JSON = (
    '{"deduplicationId":"5f0b8a8c-1c3b-4a4e-9b9f-%012x","time":"%s.482+00:00","deviceInfo":{"tenantId":'
    '"52f14cd4-c6f1-4fbd-8f87-4025e1d49242","tenantName":"Gemeente","applicationId":"'
    + APPLICATION
    + '","applicationName":"lucht","deviceProfileId":"c1f4a4a8-3a0f-4c36-8a5e-2f5d0c5d7b11",'
    '"deviceProfileName":"meetnet-air","deviceName":"s%d","devEui":"%016x","deviceClassEnabled":"CLASS_A",'
    '"tags":{"wijk":"centrum"}},"devAddr":"01%06x","adr":true,"dr":5,"fCnt":%d,"fPort":1,"confirmed":false,'
    '"data":"%s","rxInfo":[{"gatewayId":"0016c001f153a14c","uplinkId":%d,"gwTime":"%s.201+00:00",'
    '"nsTime":"%s.380+00:00","rssi":-97,"snr":6.2,"channel":3,"rfChain":1,"location":{"latitude":52.37,'
    '"longitude":4.9},"context":"EFw0nA==","metadata":{"region_common_name":"EU868","region_config_id":'
    '"eu868"},"crcStatus":"CRC_OK"}],"txInfo":{"frequency":868100000,"modulation":{"lora":{"bandwidth":'
    '125000,"spreadingFactor":7,"codeRate":"CR_4_5"}}}}'
)


def dev_eui(device: int) -> int:
    """Return the DevEUI of a device."""
    return 0x70B3D57ED0000000 + device


def first_s(messages: int, devices: int) -> int:
    """Return the time of the first reading, so that the last one is past."""
    return int(time.time()) - STEP_S * (2 + -(-messages // devices)) // STEP_S * STEP_S


def _variants() -> list[bytes]:
    found: list[bytes] = []
    for n in range(_VARIANTS):
        wave = math.sin(2 * math.pi * n / _VARIANTS)
        values = {
            "pm1": 6 + wave, "pm2_5": 9 + 2 * wave, "pm4": 12 + 2 * wave, "pm10": 15 + 2.5 * wave,
            "temperature": 12 + 0.5 * wave, "relative_humidity": 70 + 3 * wave, "battery": 3300 + 20 * wave,
        }  # fmt: skip
        readings = []
        for name in QUANTITIES:
            row = measurements.by_name(name)
            assert row is not None
            readings.append((row[0], round(values[name] * 10 ** row[3]), OK))
        payload, packed = wire.codec.encode([Record(0, 0, TIME_NETWORK, readings)], 51)
        assert packed == 1
        found.append(payload)
    return found


class Messages:
    """Numbered messages of a network. `seq` of the first reading: a later run must not repeat an earlier."""

    def __init__(self, devices: int, t0_s: int, seq: int = 0) -> None:
        self.devices = devices
        self.t0_s = t0_s
        self._seq = seq
        self._variants = _variants()
        # version u8 | profile u8 | [n, ids] | seq u32 | time u32
        self._at = 2 + (1 + len(QUANTITIES) if self._variants[0][1] == 0 else 0)

    def moment(self, reading: int) -> str:
        """Return the observed time of a reading as the platform sees it."""
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.t0_s + STEP_S * reading))

    def payload(self, n: int) -> bytes:
        """Return the frame of a message."""
        reading, device = divmod(n, self.devices)
        frame = self._variants[(reading + 7 * device) % _VARIANTS]
        head = (self._seq + reading).to_bytes(4, "big") + (self.t0_s + STEP_S * reading).to_bytes(4, "big")
        return frame[: self._at] + head + frame[self._at + 8 :]

    def packet(self, n: int) -> bytes:
        """Return a PUBLISH at QoS 1 (MQTT 3.1.1)."""
        reading, device = divmod(n, self.devices)
        eui = dev_eui(device)
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self.t0_s + STEP_S * reading))
        data = base64.b64encode(self.payload(n)).decode()
        body = _JSON % (
            n, moment, device, eui, device, self._seq + reading, data, n & 0xFFFFFFFF, moment, moment,
        )  # fmt: skip
        topic = f"application/{APPLICATION}/device/{eui:016x}/event/up".encode()
        rest = len(topic).to_bytes(2, "big") + topic + (n % 65535 + 1).to_bytes(2, "big") + body.encode()
        size, left = bytearray(), len(rest)
        while True:
            left, digit = left >> 7, left & 127
            size.append(digit | 128 if left else digit)
            if not left:
                return b"\x32" + bytes(size) + rest


def fill_registry(folder: Path, devices: int, first: int = 0) -> float:
    """Register devices, a public site each; return seconds."""
    registry = Registry(folder)
    begin = time.perf_counter()
    with registry.atomic():
        for n in range(first, first + devices):
            eui = f"{dev_eui(n):016x}"
            site = Site(
                f"s{n}",
                "city",
                f"Straat {n}",
                "air",
                4.7 + n % 317 / 1000,
                52.2 + n // 317 / 3000,
                250,
                "CC0-1.0",
            )
            registry.put_site(site)
            registry.put_device(Device(eui, "air", "lorawan", "0" * 16))
            registry.deploy(eui, site.id, None)
            registry.consent(site.id)
    seconds = time.perf_counter() - begin
    registry.close()
    return seconds
