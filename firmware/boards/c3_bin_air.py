"""Bin node that also counts passages and measures the air.

Plain ESP32-C3 module with an SX1262 module.

Generated from hardware/boards/c3.toml and kits/bin-air.toml by tools/boards.py.
"""

I2C = {0: {"scl": 9, "sda": 8, "freq": 100000}}
SPI = {1: {"sck": 4, "mosi": 6, "miso": 5, "baudrate": 8000000}}
UART = {1: {"tx": 21, "rx": 20, "baudrate": 9600}}
RADIO = {"chip": "sx126x", "spi": 1, "nss": 7, "reset": 2, "busy": 10, "dio1": 3, "tcxo_mv": 1800}
ENERGY = {
    "battery_mah": 3000,
    "sleep_ua": 174,
    "cpu_ua": 28000,
    "tx_ua": 45000,
    "rx_ua": 6000,
    "sensors": {
        "a02yyuw": (8000, 0),
        "vl53l1x": (16000, 8),
        "lis3dh": (11, 4),
        "sht4x": (320, 1),
        "sps30": (107843, 0),
        "passage": (25, 25),
        "battery": (0, 0),
    },
}
SENSORS = (
    ("a02yyuw", 1, {"power": 1}),
    ("vl53l1x", 0, {"measurement": "distance_light"}),
    ("lis3dh", 0, {"watch_mg": 350}),
    ("sht4x", 0, None),
    ("sps30", 0, {"average": 10, "spread": False, "power": 1}),
    ("passage", 0, {"counter": "pcf8593"}),
    ("battery", None, {"pin": 0, "ratio": (2, 1)}),
)
