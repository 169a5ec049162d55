"""Garden node: temperature, humidity, soil, rain.

Heltec WiFi LoRa 32 V3 (ESP32-S3, SX1262).

Generated from hardware/boards/heltec3.toml and kits/garden.toml by tools/boards.py.
"""

I2C = {0: {"scl": 42, "sda": 41, "freq": 100000}}
SPI = {1: {"sck": 9, "mosi": 10, "miso": 11, "baudrate": 8000000}}
RADIO = {"chip": "sx126x", "spi": 1, "nss": 8, "reset": 12, "busy": 13, "dio1": 14, "tcxo_mv": 1800}
ENERGY = {
    "battery_mah": 3400,
    "sleep_ua": 418,
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
    ("soil_moisture", None, {"pin": 2, "power": 47}),
    ("ds18b20", None, {"pin": 7}),
    ("rain_gauge", None, {"counter": "ulp", "pin": 5, "chip": "esp32s3"}),
    ("battery", None, {"pin": 1, "ratio": (49, 10), "switch": 37}),
)
