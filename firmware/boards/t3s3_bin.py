"""Bin node: distance to the waste by sound and by light, tilt, temperature.

LilyGO T3-S3 v1.2 (ESP32-S3, SX1262).

Generated from hardware/boards/t3s3.toml and kits/bin.toml by tools/boards.py.
"""

I2C = {0: {"scl": 17, "sda": 18, "freq": 100000}}
SPI = {1: {"sck": 5, "mosi": 6, "miso": 3, "baudrate": 8000000}}
UART = {1: {"tx": 43, "rx": 44, "baudrate": 9600}}
RADIO = {"chip": "sx126x", "spi": 1, "nss": 7, "reset": 8, "busy": 34, "dio1": 33, "tcxo_mv": 1800}
ENERGY = {
    "battery_mah": 3400,
    "sleep_ua": 374,
    "cpu_ua": 40000,
    "tx_ua": 45000,
    "rx_ua": 6000,
    "sensors": {
        "a02yyuw": (8000, 0),
        "vl53l1x": (16000, 8),
        "lis3dh": (11, 4),
        "sht4x": (320, 1),
        "battery": (0, 0),
    },
}
SENSORS = (
    ("a02yyuw", 1, {"power": 16}),
    ("vl53l1x", 0, {"measurement": "distance_light"}),
    ("lis3dh", 0, {"watch_mg": 350}),
    ("sht4x", 0, None),
    ("battery", None, {"pin": 1, "ratio": (2, 1)}),
)
