"""Bin node: distance to the waste by sound and by light, tilt, temperature.

LilyGO TTGO LoRa32 v2.1_1.6 (ESP32, SX1276).

Generated from hardware/boards/lora32.toml and kits/bin.toml by tools/boards.py.
"""

I2C = {0: {"scl": 22, "sda": 21, "freq": 100000}}
SPI = {1: {"sck": 5, "mosi": 27, "miso": 19, "baudrate": 8000000}}
UART = {1: {"tx": 4, "rx": 34, "baudrate": 9600}}
RADIO = {"chip": "sx127x", "spi": 1, "nss": 18, "reset": 23, "dio0": 26, "dio1": 33}
ENERGY = {
    "battery_mah": 3400,
    "sleep_ua": 1114,
    "cpu_ua": 40000,
    "tx_ua": 60000,
    "rx_ua": 12000,
    "sensors": {
        "a02yyuw": (8000, 0),
        "vl53l1x": (16000, 8),
        "lis3dh": (11, 4),
        "sht4x": (320, 1),
        "battery": (0, 0),
    },
}
SENSORS = (
    ("a02yyuw", 1, {"power": 12}),
    ("vl53l1x", 0, {"measurement": "distance_light"}),
    ("lis3dh", 0, {"watch_mg": 350}),
    ("sht4x", 0, None),
    ("battery", None, {"pin": 35, "ratio": (2, 1)}),
)
