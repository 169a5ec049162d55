"""Noise node: A- and C-weighted levels and percentiles.

LilyGO T3-S3 v1.2 (ESP32-S3, SX1262).

Generated from hardware/boards/t3s3.toml and kits/noise.toml by tools/boards.py.
"""

SPI = {1: {"sck": 5, "mosi": 6, "miso": 3, "baudrate": 8000000}}
I2S = {0: {"sck": 12, "ws": 15, "sd": 16, "rate": 48000, "ibuf": 96000}}
RADIO = {"chip": "sx126x", "spi": 1, "nss": 7, "reset": 8, "busy": 34, "dio1": 33, "tcxo_mv": 1800}
ENERGY = {
    "battery_mah": 0,
    "sleep_ua": 373,
    "cpu_ua": 40000,
    "tx_ua": 45000,
    "rx_ua": 6000,
    "sensors": {"i2s_mic": (490, 12)},
}
SENSORS = (("i2s_mic", 0, {"slot": 0}),)
