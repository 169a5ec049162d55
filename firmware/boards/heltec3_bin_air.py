"""Bin node that also counts passages and measures the air.

Heltec WiFi LoRa 32 V3 (ESP32-S3, SX1262).

Generated from hardware/boards/heltec3.toml and kits/bin-air.toml by tools/boards.py.
"""

I2C = {0: {"scl": 42, "sda": 41, "freq": 100000}}
SPI = {1: {"sck": 9, "mosi": 10, "miso": 11, "baudrate": 8000000}}
UART = {1: {"tx": 39, "rx": 40, "baudrate": 9600}}
RADIO = {"chip": "sx126x", "spi": 1, "nss": 8, "reset": 12, "busy": 13, "dio1": 14, "tcxo_mv": 1800}
ENERGY = {
    "battery_mah": 3400,
    "sleep_ua": 429,
    "cpu_ua": 40000,
    "tx_ua": 45000,
    "rx_ua": 6000,
    "sensors": {
        "a02yyuw": (8000, 0),
        "vl53l1x": (16000, 8),
        "lis3dh": (11, 4),
        "sht4x": (320, 1),
        "sps30": (87440, 0),
        "passage": (25, 25),
        "battery": (0, 0),
    },
}
SENSORS = (
    ("a02yyuw", 1, {"power": 47}),
    ("vl53l1x", 0, {"measurement": "distance_light"}),
    ("lis3dh", 0, {"watch_mg": 350}),
    ("sht4x", 0, None),
    ("sps30", 0, {"average": 10, "spread": False, "power": 47}),
    ("passage", 0, {"counter": "pcf8593"}),
    ("battery", None, {"pin": 1, "ratio": (49, 10), "switch": 37}),
)
