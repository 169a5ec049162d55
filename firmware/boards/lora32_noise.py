"""Noise node: A- and C-weighted levels and percentiles.

LilyGO TTGO LoRa32 v2.1_1.6 (ESP32, SX1276).

Generated from hardware/boards/lora32.toml and kits/noise.toml by tools/boards.py.
"""

SPI = {1: {"sck": 5, "mosi": 27, "miso": 19, "baudrate": 8000000}}
I2S = {0: {"sck": 4, "ws": 0, "sd": 34, "rate": 48000, "ibuf": 96000}}
RADIO = {"chip": "sx127x", "spi": 1, "nss": 18, "reset": 23, "dio0": 26, "dio1": 33}
ENERGY = {
    "battery_mah": 0,
    "sleep_ua": 1113,
    "cpu_ua": 40000,
    "tx_ua": 60000,
    "rx_ua": 12000,
    "sensors": {"i2s_mic": (490, 12)},
}
SENSORS = (("i2s_mic", 0, {"slot": 0}),)
