"""Garden node: temperature, humidity, soil, rain.

LilyGO T3-S3 v1.2 (ESP32-S3, SX1262).

Generated from hardware/boards/t3s3.toml and kits/garden.toml by tools/boards.py.
"""

I2C = {0: {"scl": 17, "sda": 18, "freq": 100000}}
SPI = {1: {"sck": 5, "mosi": 6, "miso": 3, "baudrate": 8000000}}
RADIO = {"chip": "sx126x", "spi": 1, "nss": 7, "reset": 8, "busy": 34, "dio1": 33, "tcxo_mv": 1800}
ENERGY = {
    "battery_mah": 3400,
    "sleep_ua": 388,
    "cpu_ua": 40000,
    "tx_ua": 45000,
    "rx_ua": 6000,
    "sensors": {
        "sht4x": (320, 1),
        "soil_moisture": (5000, 0),
        "ds18b20": (1000, 1),
        "rain_gauge": (25, 25),
        "battery": (0, 0),
    },
}
SENSORS = (
    ("sht4x", 0, None),
    ("soil_moisture", None, {"pin": 4, "power": 16}),
    ("ds18b20", None, {"pin": 15}),
    ("rain_gauge", None, {"counter": "ulp", "pin": 12, "chip": "esp32s3"}),
    ("battery", None, {"pin": 1, "ratio": (2, 1)}),
)
