"""Bin node with an SX1276: distance to the waste, battery; on a lithium cell.

Generated from hardware/boards/sim-bin-sx1276.toml by tools/boards.py.
"""

SPI = {1: {"sck": 5, "mosi": 27, "miso": 19, "baudrate": 8000000}}
UART = {1: {"tx": 4, "rx": 35, "baudrate": 9600}}
RADIO = {"chip": "sx127x", "spi": 1, "nss": 18, "reset": 23, "dio0": 26, "dio1": 33}
SENSORS = (
    ("a02yyuw", 1, None),
    ("battery", None, {"pin": 32, "ratio": (2, 1)}),
)
