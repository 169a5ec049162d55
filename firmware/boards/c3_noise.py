"""Noise node: A- and C-weighted levels and percentiles.

Plain ESP32-C3 module with an SX1262 module.

Generated from hardware/boards/c3.toml and kits/noise.toml by tools/boards.py.
"""

SPI = {1: {"sck": 4, "mosi": 6, "miso": 5, "baudrate": 8000000}}
I2S = {0: {"sck": 1, "ws": 20, "sd": 21, "rate": 48000, "ibuf": 96000}}
RADIO = {"chip": "sx126x", "spi": 1, "nss": 7, "reset": 2, "busy": 10, "dio1": 3, "tcxo_mv": 1800}
ENERGY = {
    "battery_mah": 0,
    "sleep_ua": 148,
    "cpu_ua": 28000,
    "tx_ua": 45000,
    "rx_ua": 6000,
    "sensors": {"i2s_mic": (490, 12)},
}
SENSORS = (("i2s_mic", 0, {"slot": 0}),)
