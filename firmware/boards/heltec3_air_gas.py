"""Air node: particulate matter, VOC and NOx index, temperature, humidity.

Heltec WiFi LoRa 32 V3 (ESP32-S3, SX1262).

Generated from hardware/boards/heltec3.toml and kits/air-gas.toml by tools/boards.py.
"""

I2C = {0: {"scl": 42, "sda": 41, "freq": 100000}}
SPI = {1: {"sck": 9, "mosi": 10, "miso": 11, "baudrate": 8000000}}
RADIO = {"chip": "sx126x", "spi": 1, "nss": 8, "reset": 12, "busy": 13, "dio1": 14, "tcxo_mv": 1800}
ENERGY = {
    "battery_mah": 0,
    "sleep_ua": 3952,
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
