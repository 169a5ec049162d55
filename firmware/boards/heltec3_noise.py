"""Noise node: A- and C-weighted levels and percentiles.

Heltec WiFi LoRa 32 V3 (ESP32-S3, SX1262).

Generated from hardware/boards/heltec3.toml and kits/noise.toml by tools/boards.py.
"""

SPI = {1: {"sck": 9, "mosi": 10, "miso": 11, "baudrate": 8000000}}
I2S = {0: {"sck": 4, "ws": 5, "sd": 6, "rate": 48000, "ibuf": 96000}}
RADIO = {"chip": "sx126x", "spi": 1, "nss": 8, "reset": 12, "busy": 13, "dio1": 14, "tcxo_mv": 1800}
ENERGY = {
    "battery_mah": 0,
    "sleep_ua": 403,
    "cpu_ua": 40000,
    "tx_ua": 45000,
    "rx_ua": 6000,
    "sensors": {"i2s_mic": (490, 12)},
}
SENSORS = (("i2s_mic", 0, {"slot": 0}),)
