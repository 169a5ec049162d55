"""Garden node: temperature, humidity, rain, battery; on a lithium cell.

Generated from hardware/boards/sim-garden.toml by tools/boards.py.
"""

I2C = {0: {"scl": 18, "sda": 17, "freq": 100000}}
SPI = {1: {"sck": 5, "mosi": 6, "miso": 3, "baudrate": 8000000}}
RADIO = {"chip": "sx126x", "spi": 1, "nss": 7, "reset": 8, "busy": 34, "dio1": 33, "tcxo_mv": 1800}
SENSORS = (
    ("sht4x", 0, None),
    ("rain_gauge", None, {"pin": 10}),
    ("battery", None, {"pin": 1, "ratio": (2, 1)}),
)
