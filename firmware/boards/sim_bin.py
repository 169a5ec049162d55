"""Bin node: distance to the waste, battery; on a lithium cell.

Generated from hardware/boards/sim-bin.toml by tools/boards.py.
"""

SPI = {1: {"sck": 5, "mosi": 6, "miso": 3, "baudrate": 8000000}}
UART = {1: {"tx": 43, "rx": 44, "baudrate": 9600}}
RADIO = {"chip": "sx126x", "spi": 1, "nss": 7, "reset": 8, "busy": 34, "dio1": 33, "tcxo_mv": 1800}
SENSORS = (
    ("a02yyuw", 1, None),
    ("battery", None, {"pin": 1, "ratio": (2, 1)}),
)
