"""Air node: particulate matter, VOC and NOx index, temperature, humidity.

LilyGO T3-S3 v1.2 (ESP32-S3, SX1262).

Generated from hardware/boards/t3s3.toml and kits/air-gas.toml by tools/boards.py.
"""

I2C = {0: {"scl": 17, "sda": 18, "freq": 100000}}
SPI = {1: {"sck": 5, "mosi": 6, "miso": 3, "baudrate": 8000000}}
RADIO = {"chip": "sx126x", "spi": 1, "nss": 7, "reset": 8, "busy": 34, "dio1": 33, "tcxo_mv": 1800}
ENERGY = {
    "battery_mah": 0,
    "sleep_ua": 3922,
    "cpu_ua": 40000,
    "tx_ua": 45000,
    "rx_ua": 6000,
    "sensors": {"sps30": (55000, 360), "sht4x": (320, 1), "sgp41": (3200, 3200)},
}
SENSORS = (
    ("sps30", 0, {"average": 20, "spread": False}),
    ("sht4x", 0, None),
    ("sgp41", 0, {"index": True}),
)
