"""Garden node: temperature, humidity, soil, rain.

LilyGO TTGO LoRa32 v2.1_1.6 (ESP32, SX1276).

Generated from hardware/boards/lora32.toml and kits/garden.toml by tools/boards.py.
"""

I2C = {0: {"scl": 22, "sda": 21, "freq": 100000}}
SPI = {1: {"sck": 5, "mosi": 27, "miso": 19, "baudrate": 8000000}}
RADIO = {"chip": "sx127x", "spi": 1, "nss": 18, "reset": 23, "dio0": 26, "dio1": 33}
ENERGY = {
    "battery_mah": 3400,
    "sleep_ua": 1128,
    "cpu_ua": 40000,
    "tx_ua": 60000,
    "rx_ua": 12000,
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
    ("soil_moisture", None, {"pin": 36, "power": 12}),
    ("ds18b20", None, {"pin": 4}),
    ("rain_gauge", None, {"counter": "ulp", "pin": 32, "chip": "esp32"}),
    ("battery", None, {"pin": 35, "ratio": (2, 1)}),
)
