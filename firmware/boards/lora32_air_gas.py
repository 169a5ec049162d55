"""Air node: particulate matter, VOC and NOx index, temperature, humidity.

LilyGO TTGO LoRa32 v2.1_1.6 (ESP32, SX1276).

Generated from hardware/boards/lora32.toml and kits/air-gas.toml by tools/boards.py.
"""

I2C = {0: {"scl": 22, "sda": 21, "freq": 100000}}
SPI = {1: {"sck": 5, "mosi": 27, "miso": 19, "baudrate": 8000000}}
RADIO = {"chip": "sx127x", "spi": 1, "nss": 18, "reset": 23, "dio0": 26, "dio1": 33}
ENERGY = {
    "battery_mah": 0,
    "sleep_ua": 4662,
    "cpu_ua": 40000,
    "tx_ua": 60000,
    "rx_ua": 12000,
    "sensors": {"sps30": (55000, 360), "sht4x": (320, 1), "sgp41": (3200, 3200)},
}
SENSORS = (
    ("sps30", 0, {"average": 20, "spread": False}),
    ("sht4x", 0, None),
    ("sgp41", 0, {"index": True}),
)
