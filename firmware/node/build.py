"""From a board's description to buses, drivers, radio and a node. The one module that wires things together.

A board is a module in boards/ with plain values; what it does not have it leaves out:

    I2C = {0: {"scl": 18, "sda": 17, "freq": 100000}}
    SPI = {1: {"sck": 5, "mosi": 6, "miso": 3, "baudrate": 8000000}}
    UART = {1: {"tx": 43, "rx": 44, "baudrate": 9600}}
    I2S = {0: {"sck": 12, "ws": 13, "sd": 14, "rate": 48000, "ibuf": 96000}}
    RADIO = {"chip": "sx126x", "spi": 1, "nss": 7, "reset": 8, "busy": 34, "dio1": 33, "tcxo_mv": 1800}
    SENSORS = (("sht4x", 0, 0x44), ("battery", None, {"pin": 1, "ratio": (2, 1)}))

A row of SENSORS is (driver, bus number or None, address, pin, or dict of options).
"""

import sys
import time

import machine

from wire.measurements import PASSAGES, RAIN_TIPS, by_name
from wire.record import FAULT

from .acquire import Sensor
from .switched import PowerSwitch, Switched


def board_module(name):
    """Return the module boards.<name>; ImportError says which is missing."""
    return __import__("boards." + name, None, None, ("SENSORS",))


def _pin(number, *how):
    return machine.Pin(number, *how)


class Buses:
    """Buses of a board, each made when the first sensor asks for it."""

    def __init__(self, board):
        self._board = board
        self._made = {}

    def _make(self, kind, number, build):
        key = (kind, number)
        if key not in self._made:
            rows = getattr(self._board, kind, {})
            if number not in rows:
                raise ValueError("boards: " + kind + " " + str(number) + " is not described")
            self._made[key] = build(number, rows[number])
        return self._made[key]

    def i2c(self, number):
        """Return machine.I2C of a row of I2C."""
        return self._make("I2C", number, _i2c)

    def spi(self, number):
        """Return machine.SPI of a row of SPI."""
        return self._make("SPI", number, _spi)

    def uart(self, number):
        """Return machine.UART of a row of UART."""
        return self._make("UART", number, _uart)

    def switch(self, pin):
        """Return the PowerSwitch of a pin, one for all sensors behind it."""
        key = ("switch", pin)
        if key not in self._made:
            self._made[key] = PowerSwitch(machine.Pin(pin, machine.Pin.OUT, value=0))
        return self._made[key]

    def i2s_row(self, number):
        """Return the description of an I2S bus: it is opened for each measurement only."""
        rows = getattr(self._board, "I2S", {})
        if number not in rows:
            raise ValueError("boards: I2S " + str(number) + " is not described")
        return rows[number]


def _i2c(number, row):
    return machine.I2C(number, scl=_pin(row["scl"]), sda=_pin(row["sda"]), freq=row.get("freq", 100000))


def _spi(number, row):
    return machine.SPI(
        number,
        baudrate=row.get("baudrate", 8000000),
        polarity=0,
        phase=0,
        sck=_pin(row["sck"]),
        mosi=_pin(row["mosi"]),
        miso=_pin(row["miso"]),
    )


def _uart(number, row):
    return machine.UART(
        number,
        baudrate=row.get("baudrate", 9600),
        tx=_pin(row["tx"]),
        rx=_pin(row["rx"]),
        rxbuf=256,
        timeout=0,
    )


# Sensors that need a bus and the clock: driver -> (class, kind of bus, what a plain value in the row means)
_ON_BUS = {
    "sht4x": ("SHT4x", "i2c", "address"),
    "bme280": ("BME280", "i2c", "address"),
    "bme680": ("BME680", "i2c", "address"),
    "sps30": ("SPS30", "i2c", "address"),
    "scd4x": ("SCD4x", "i2c", "address"),
    "sen5x": ("SEN5x", "i2c", "measures"),
    "sen66": ("SEN66", "i2c", "measures"),
    "ina219": ("INA219", "i2c", "address"),
    "sps30_uart": ("SPS30Uart", "uart", None),
    "pms5003": ("PMS5003", "uart", "atmospheric"),
    "sds011": ("SDS011", "uart", None),
    "sgp41": ("SGP41", "i2c", "address"),
    "a02yyuw": ("A02YYUW", "uart", "samples"),
    "mb7389": ("MB7389", "uart", "samples"),
    "vl53l1x": ("VL53L1X", "i2c", "address"),
    "lis3dh": ("LIS3DH", "i2c", "address"),
}


def _options(where, default_key):
    return where if isinstance(where, dict) else {} if where is None else {default_key: where}


def _counter(bus, options, buses):
    """Return something with value(): the chip's counter, which stops while it sleeps, or an outside one."""
    if options.get("counter") == "pcf8593":
        from drivers.pcf8593 import PCF8593

        return PCF8593(buses.i2c(bus))
    if options.get("counter") == "ulp":
        import esp32

        from .ulp_counter import UlpCounter

        wake = getattr(esp32, "wake_on_ulp", None)
        return UlpCounter(options["chip"], options["pin"], esp32.ULP(), machine.mem32, wake)
    return machine.Counter(0, _pin(options["pin"], machine.Pin.IN, machine.Pin.PULL_UP))


def _tally(kind, bus, options, buses, total):
    """Return the driver of counted events, going on where the last record stopped.

    The gateway takes differences, and a power cut is no rain.
    """
    counter = _counter(bus, options, buses)
    wraps_at = getattr(counter, "wraps_at", None)
    # Only a counter that ran on while this chip did not has something to say at the start.
    return kind(counter, time, total, 0 if wraps_at is None else None, wraps_at)


def _adc(options):
    return machine.ADC(_pin(options["pin"]), atten=machine.ADC.ATTN_11DB)


def _switch(options, key):
    return _pin(options[key], machine.Pin.OUT) if key in options else None


def _driver(name, bus, where, buses, config, last_value):
    """Return the driver of a row of SENSORS, with what the row wants around it."""
    if isinstance(where, dict):
        where = dict(where)
    around = where if isinstance(where, dict) else {}
    average = around.pop("average", 0)
    spread = around.pop("spread", True)
    power = around.pop("power", None) if name in _ON_BUS else None
    index = around.pop("index", False)
    if "measurement" in around:
        around["measurement"] = by_name(around["measurement"])[0]
    driver = _bare_driver(name, bus, where, buses, config, last_value)
    if power is not None:
        driver = Switched(driver, buses.switch(power), time)
    if index:  # a gas sensor that never sleeps, and its VOC and NOx index
        from .gas import GasMeter

        driver = GasMeter(driver, time)
    if average:
        from .air import PmSampler

        driver = PmSampler(driver, time, average, spread)
    return driver


def _bare_driver(name, bus, where, buses, config, last_value):
    if name in _ON_BUS:
        class_name, kind, plain = _ON_BUS[name]
        module = __import__("drivers." + name, None, None, (class_name,))
        wire = buses.i2c(bus) if kind == "i2c" else buses.uart(bus)
        return getattr(module, class_name)(wire, time, **_options(where, plain))
    if name == "i2s_mic":
        from .noise_sensor import NoiseSensor
        from .store import NvsStore

        slot = _options(where, "slot").get("slot", 0)
        return NoiseSensor(bus, buses.i2s_row(bus), slot, config, NvsStore(), time)
    options = _options(where, "pin")
    if name == "rain_gauge":
        from drivers.rain_gauge import RainGauge

        return _tally(RainGauge, bus, options, buses, last_value(RAIN_TIPS))
    if name == "passage":
        from drivers.passage import PassageCounter

        return _tally(PassageCounter, bus, options, buses, last_value(PASSAGES))
    if name == "battery":
        from drivers.battery import Battery

        return Battery(_adc(options), time, options.get("ratio", (2, 1)), switch=_switch(options, "switch"))
    if name == "soil_moisture":
        from drivers.soil_moisture import SoilMoisture

        points = {key: options[key] for key in ("dry_uv", "wet_uv") if key in options}
        return SoilMoisture(_adc(options), time, power=_switch(options, "power"), **points)
    if name == "ds18b20":
        from onewire import OneWire

        from drivers.ds18b20 import DS18B20

        return DS18B20(OneWire(_pin(options["pin"])), time)
    raise ValueError("boards: no driver named " + name)


def has_microphone(board):
    """Tell whether a board hears."""
    return any(row[0] == "i2s_mic" for row in getattr(board, "SENSORS", ()))


def sensors(board, buses, config, health, last_value):
    """Return the sensors of a board; one that cannot even be built is told and left out."""
    built = []
    for name, bus, where in getattr(board, "SENSORS", ()):
        try:
            built.append(Sensor(name, _driver(name, bus, where, buses, config, last_value)))
        except Exception as error:  # one wrong row must not cost the others
            health.missing.append((name, FAULT, name + ": " + repr(error)))
    return built


def battery(board):
    """Return the driver of a board's battery alone, None where it has none."""
    for name, bus, where in getattr(board, "SENSORS", ()):
        if name == "battery":
            return _bare_driver(name, bus, where, None, None, None)
    return None


def lora_link(board, buses, config, store, retained, rtc_ms=None, waits=None):
    """Return the LoRaWAN link of a board; what passed in deep sleep or a reset counts for its duty cycle.

    waits: node.waits.Waits, where something else wants to be done while the radio waits.
    """
    from radio.memory import RETAINED

    from .lora_link import LoraLink
    from .retained import Stamped

    kept = Stamped(retained, rtc_ms or (lambda: 0))
    mac = lora_mac(board, buses, config, store, kept, kept.age_ms(RETAINED), waits=waits)
    package = None
    if config["certification"]:
        from radio.certification import Certification

        from .version import VERSION

        package = Certification(mac, VERSION)
    link = LoraLink(mac, config["confirm_every"], package)
    link.reset = machine.reset
    return link


def lora_mac(board, buses, config, store, retained=None, slept_ms=0, duty_cycle=True, waits=None):
    """Return the LoRaWAN MAC over the radio of a board."""
    import random

    from cryptolib import aes

    from radio.classa import ClassA

    return ClassA(
        lora_phy(board, buses, waits.exact if waits else time),
        lambda key: _Ecb(aes(key, 1)),
        random,
        waits or time,
        store,
        bytes.fromhex(config["dev_eui"]),
        bytes.fromhex(config["join_eui"]),
        bytes.fromhex(config["app_key"]),
        retained=retained,
        slept_ms=slept_ms,
        duty_cycle=duty_cycle,
    )


def lora_phy(board, buses, clock=time):
    """Return the driver of a board's radio, its wires by the names of the row RADIO."""
    row = dict(board.RADIO)
    chip = row.pop("chip", "sx126x")
    pin = machine.Pin
    spi = buses.spi(row.pop("spi"))
    nss = pin(row.pop("nss"), pin.OUT, value=1)
    reset = pin(row.pop("reset"), pin.OUT, value=1)
    if chip == "sx126x":
        from radio.sx126x import Sx126x

        busy = pin(row.pop("busy"), pin.IN)
        return Sx126x(spi, nss, reset, busy, pin(row.pop("dio1"), pin.IN), clock, **row)
    if chip == "sx127x":
        from radio.sx127x import Sx127x

        dio0 = pin(row.pop("dio0"), pin.IN)
        return Sx127x(spi, nss, reset, dio0, pin(row.pop("dio1"), pin.IN), clock, **row)
    raise ValueError("boards: RADIO names a chip without a driver: " + chip)


class _Ecb:
    """AES-ECB of one key, as wire.lorawan wants it."""

    def __init__(self, cipher):
        self.encrypt = cipher.encrypt


def _tls(authority):
    """Return wrap(sock, host) that takes only a server whose certificate this authority has signed.

    authority: the certificate in DER, as base64. MicroPython offers no pre-shared keys, so it is
    certificates.
    """
    import binascii
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED  # MicroPython's default is to trust everybody
    context.load_verify_locations(cadata=binascii.a2b_base64(authority))

    def wrap(sock, host):
        return context.wrap_socket(sock, server_hostname=host)

    return wrap


def _set_rtc(utc_ms):
    """Put the chip's clock right where it is far off: mbedTLS compares it with the dates of certificates."""
    # MicroPython counts seconds from 2000 on some ports, from 1970 on others.
    seconds = utc_ms // 1000 - (946684800 if time.gmtime(0)[0] == 2000 else 0)
    if abs(time.time() - seconds) > 3600:
        year, month, day, hour, minute, second, weekday = time.gmtime(seconds)[:7]
        machine.RTC().datetime((year, month, day, weekday, hour, minute, second, 0))


def wifi_link(config, waits=None):
    """Return the Wi-Fi link. waits: node.waits.Waits, where something else wants to be done meanwhile."""
    import socket

    import network

    from radio import mqtt

    from .fetch import Fetch
    from .wifi import Wifi
    from .wifi_link import WifiLink

    wrap = _tls(config["mqtt.ca"]) if config["mqtt.tls"] else None
    opened, clock = mqtt.tcp(socket, wrap), waits or time
    if waits is not None:
        import select

        from .attentive import attentive

        opened = attentive(opened, select, waits)
    client = mqtt.Client(
        opened,
        clock,
        config["dev_eui"],
        config["mqtt.host"],
        config["mqtt.port"],
        config["mqtt.user"],
        config["mqtt.password"],
    )
    link = WifiLink(
        Wifi(network, clock),
        socket,
        clock,
        client,
        config["dev_eui"],
        config["wifi.ssid"],
        config["wifi.password"],
        config["ntp"],
    )
    link.gateway(config["mqtt.host"])
    if config["mqtt.tls"]:
        link.set_rtc = _set_rtc
    link.fetch = Fetch(opened, clock, config["mqtt.host"])
    return link


def architecture():
    """Return the architecture of native code in .mpy files, as wire.update.ARCHITECTURES has it."""
    native = getattr(sys.implementation, "_mpy", 0) >> 10 & 15  # docs: MicroPython .mpy files
    return {10: 1, 11: 2, 2: 3}.get(native, 0)


def mpy_version():
    """Return the version of .mpy files that this MicroPython runs, 0 where it runs none."""
    return getattr(sys.implementation, "_mpy", 0) & 255


def free_bytes():
    """Return what the flash file system has left."""
    import os

    try:
        found = os.statvfs("/" if os.getcwd() == "/" else ".")
    except OSError:
        return 0
    return found[0] * found[3]


def base_image():
    """Return the BaseImage of a chip that has a second partition for one, or None."""
    try:
        import esp32

        from .base_image import BaseImage

        return BaseImage(esp32.Partition)
    except (ImportError, OSError, AttributeError):
        return None


def local_link(config, waits=None):
    """Return the link of a node that has Wi-Fi and no gateway. waits: as for wifi_link."""
    import socket

    import network

    from .local_link import LocalLink
    from .wifi import Wifi

    clock = waits or time
    wifi = Wifi(network, clock)
    return LocalLink(wifi, socket, clock, config["wifi.ssid"], config["wifi.password"], config["ntp"])


def cable_link(config, waits=None):
    """Return the link of a node on a cable. waits: as for wifi_link."""
    from .cable_link import CableLink
    from .console import Console

    return CableLink(Console(), waits or time, config["dev_eui"])


def print_error(error):
    """Print a traceback, as MicroPython does at its prompt."""
    sys.print_exception(error)
