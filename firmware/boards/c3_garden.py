"""Garden node: temperature, humidity, soil, rain.

Plain ESP32-C3 module with an SX1262 module.

Generated from hardware/boards/c3.toml and kits/garden.toml by tools/boards.py.
"""

I2C = {0: {"scl": 9, "sda": 8, "freq": 100000}}
SPI = {1: {"sck": 4, "mosi": 6, "miso": 5, "baudrate": 8000000}}
RADIO = {"chip": "sx126x", "spi": 1, "nss": 7, "reset": 2, "busy": 10, "dio1": 3, "tcxo_mv": 1800}
ENERGY = {
    "battery_mah": 3000,
    "sleep_ua": 148,
    "cpu_ua": 28000,
    "tx_ua": 45000,
    "rx_ua": 6000,
    "sensors": {
        "sht4x": (320, 1),
        "soil_moisture": (5000, 0),
        "ds18b20": (1000, 1),
        "rain_gauge": (10, 10),
        "battery": (0, 0),
    },
}
SENSORS = (
    ("sht4x", 0, None),
    ("soil_moisture", None, {"pin": 1, "power": 20}),
    ("ds18b20", None, {"pin": 21}),
    ("rain_gauge", 0, {"counter": "pcf8593"}),
    ("battery", None, {"pin": 0, "ratio": (2, 1)}),
)
