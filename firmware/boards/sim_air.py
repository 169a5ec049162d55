"""Air node: particulate matter, temperature, humidity; on mains.

Generated from hardware/boards/sim-air.toml by tools/boards.py.
"""

I2C = {0: {"scl": 18, "sda": 17, "freq": 100000}}
SPI = {1: {"sck": 5, "mosi": 6, "miso": 3, "baudrate": 8000000}}
RADIO = {"chip": "sx126x", "spi": 1, "nss": 7, "reset": 8, "busy": 34, "dio1": 33, "tcxo_mv": 1800}
SENSORS = (
    ("sps30", 0, None),
    ("sht4x", 0, None),
)
