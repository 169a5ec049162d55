"""Noise node: A- and C-weighted levels and percentiles; on mains.

Generated from hardware/boards/sim-noise.toml by tools/boards.py.
"""

SPI = {1: {"sck": 5, "mosi": 6, "miso": 3, "baudrate": 8000000}}
I2S = {0: {"sck": 12, "ws": 13, "sd": 14, "rate": 48000, "ibuf": 96000}}
RADIO = {"chip": "sx126x", "spi": 1, "nss": 7, "reset": 8, "busy": 34, "dio1": 33, "tcxo_mv": 1800}
SENSORS = (("i2s_mic", 0, {"slot": 0}),)
