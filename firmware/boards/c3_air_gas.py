"""Air node: particulate matter, VOC and NOx index, temperature, humidity.

Plain ESP32-C3 module with an SX1262 module.

Generated from hardware/boards/c3.toml and kits/air-gas.toml by tools/boards.py.
"""

I2C = {0: {"scl": 9, "sda": 8, "freq": 100000}}
SPI = {1: {"sck": 4, "mosi": 6, "miso": 5, "baudrate": 8000000}}
RADIO = {"chip": "sx126x", "spi": 1, "nss": 7, "reset": 2, "busy": 10, "dio1": 3, "tcxo_mv": 1800}
ENERGY = {
    "battery_mah": 0,
    "sleep_ua": 3697,
    "cpu_ua": 28000,
    "tx_ua": 45000,
    "rx_ua": 6000,
    "sensors": {"sps30": (55000, 360), "sht4x": (320, 1), "sgp41": (3200, 3200)},
}
SENSORS = (
    ("sps30", 0, {"average": 20, "spread": False}),
    ("sht4x", 0, None),
    ("sgp41", 0, {"index": True}),
)
