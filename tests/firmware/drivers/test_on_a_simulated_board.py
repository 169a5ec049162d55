"""Every driver in real MicroPython on a simulated board: its bus shims, its clock, the models behind them."""

from __future__ import annotations

import json

import pytest

from simulator import boards
from simulator.buses import Board
from simulator.chips.a02yyuw import A02YYUW
from simulator.chips.base import Constants
from simulator.chips.battery import Battery
from simulator.chips.bme280 import BME280
from simulator.chips.ina219 import INA219
from simulator.chips.lis3dh import LIS3DH
from simulator.chips.mb7389 import MB7389
from simulator.chips.pms5003 import PMS5003
from simulator.chips.scd4x import SCD4x
from simulator.chips.sds011 import SDS011
from simulator.chips.sen5x import SEN5x
from simulator.chips.sen66 import SEN66
from simulator.chips.sht4x import SHT4x
from simulator.chips.soil_moisture import SoilMoisture
from simulator.chips.sps30 import SPS30
from simulator.chips.sps30_uart import SPS30Uart
from simulator.chips.vl53l1x import VL53L1X
from tests.simulator.bench import run_script

pytestmark = pytest.mark.mpy

AIR = Constants(
    temperature_c=21.37,
    relative_humidity_pct=48.2,
    pressure_hpa=1013.2,
    pm1_ug_m3=6.0,
    pm2_5_ug_m3=12.0,
    pm4_ug_m3=13.0,
    pm10_ug_m3=15.0,
    n10_per_cm3=80.0,
    voc_index=112.0,
    nox_index=1.0,
    co2_ppm=612.0,
    distance_mm=1234.0,
    tilt_deg=30.0,
    soil_moisture_pct=35.0,
    battery_mv=3700.0,
    solar_mv=5120.0,
    current_ma=-123.4,
)
PM = [[1, 60, 0], [2, 120, 0], [3, 130, 0], [4, 150, 0]]
CLIMATE = [[6, 482, 0], [5, 2137, 0], [20, 1120, 0], [21, 10, 0]]
EXPECTED = {
    "SHT4x": [[5, 2137, 0], [6, 482, 0]],
    "SPS30": PM,
    "SPS30Uart": PM,
    "SEN5x": PM + CLIMATE,
    "SEN66": [*PM, *CLIMATE, [19, 612, 0]],
    "SCD4x": [[19, 612, 0], [5, 2137, 0], [6, 482, 0]],
    "BME280": [[5, 2137, 0], [6, 482, 0], [18, 10132, 0]],
    "INA219": [[26, 5120, 0], [27, -1234, 0]],
    "LIS3DH": [[28, 300, 0]],
    "VL53L1X": [[15, 1234, 0]],
    "A02YYUW": [[15, 1234, 0]],
    "MB7389": [[15, 1234, 0]],
    "PMS5003": [[1, 60, 0], [2, 120, 0], [4, 150, 0]],
    "SDS011": [[2, 120, 0], [4, 150, 0]],
    "Battery": [[17, 3700, 0]],
    "SoilMoisture": [[25, 350, 0]],
}

SCRIPT = """
import gc, json, machine, time
from drivers.a02yyuw import A02YYUW
from drivers.battery import Battery
from drivers.bme280 import BME280
from drivers.ina219 import INA219
from drivers.lis3dh import LIS3DH
from drivers.mb7389 import MB7389
from drivers.pms5003 import PMS5003
from drivers.scd4x import SCD4x
from drivers.sds011 import SDS011
from drivers.sen5x import SEN5x
from drivers.sen66 import SEN66
from drivers.sht4x import SHT4x
from drivers.soil_moisture import SoilMoisture
from drivers.sps30 import SPS30
from drivers.sps30_uart import SPS30Uart
from drivers.vl53l1x import VL53L1X

def uart(n, baudrate=9600):
    return machine.UART(n, baudrate=baudrate, timeout=TIMEOUT)

i2c, other = machine.I2C(0), machine.I2C(1)
sensors = [c(i2c, time) for c in (SHT4x, SPS30, SEN66, SCD4x, BME280, INA219, LIS3DH, VL53L1X)]
sensors.append(SEN5x(other, time))
sensors += [c(uart(n + 1), time) for n, c in enumerate((A02YYUW, MB7389, PMS5003, SDS011))]
sensors.append(SPS30Uart(uart(5, 115200), time))
sensors.append(Battery(machine.ADC(machine.Pin(1)), time, (2, 1)))
sensors.append(SoilMoisture(machine.ADC(machine.Pin(2)), time))
out = {}
for s in sensors:
    out["probe " + type(s).__name__] = bool(s.probe())
for s in sensors:
    s.start()
time.sleep_ms(35000)
free = []
for turn in range(ROUNDS):
    for s in sensors:
        out[type(s).__name__] = s.fetch()
    gc.collect()
    free.append(gc.mem_free())
for s in sensors:
    s.stop()
out["free"] = free
print(json.dumps(out))
"""


@pytest.mark.parametrize("timeout_ms", [0, 100])
def test_every_driver_reads_its_model(tmp_path, timeout_ms):
    board = Board(
        i2c={
            0: [
                SHT4x(AIR),
                SPS30(AIR),
                SEN66(AIR),
                SCD4x(AIR),
                BME280(AIR),
                INA219(AIR),
                LIS3DH(AIR),
                VL53L1X(AIR),
            ],
            1: [SEN5x(AIR)],
        },
        uart={1: A02YYUW(AIR), 2: MB7389(AIR), 3: PMS5003(AIR), 4: SDS011(AIR), 5: SPS30Uart(AIR)},
        adc={1: Battery(AIR), 2: SoilMoisture(AIR)},
    )
    script = SCRIPT.replace("TIMEOUT", str(timeout_ms)).replace("ROUNDS", "4")
    out = json.loads(run_script(tmp_path, script, board)[-1])
    for name, expected in EXPECTED.items():
        assert out["probe " + name] is True
        got = out[name]
        assert [(m, s) for m, _, s in got] == [(m, s) for m, _, s in expected], name
        for (_, raw, _), (_, wanted, _) in zip(got, expected, strict=True):
            assert abs(raw - wanted) <= 1, name  # some chips' own steps are coarser than ours
    assert out["free"][-1] >= out["free"][1] - 64, "fetching leaks memory"


BUILD = """
import json
from node import build

class Described:
    I2C = {0: {"scl": 18, "sda": 17, "freq": 100000}, 1: {"scl": 8, "sda": 9, "freq": 100000}}
    UART = {n: {"tx": 30 + n, "rx": 40 + n, "baudrate": 115200 if n == 5 else 9600} for n in range(1, 6)}

buses = build.Buses(Described)
rows = json.loads('ROWS')
out = {}
for name, bus, where in rows:
    out[name] = bool(build._driver(name, bus, where, buses, {}, None).probe())
out["known"] = sorted(build._ON_BUS)
print(json.dumps(out))
"""


def test_a_board_row_makes_each_driver_and_the_simulator_its_model(tmp_path):
    uart = {"a02yyuw": 1, "mb7389": 2, "pms5003": 3, "sds011": 4, "sps30_uart": 5}
    i2c = {
        "sps30": 0,
        "sen66": 0,
        "scd4x": 0,
        "sgp41": 0,
        "bme280": 0,
        "ina219": 0,
        "lis3dh": 0,
        "vl53l1x": 0,
        "sen5x": 1,
        "bme680": 1,
    }
    rows = [(name, bus, None) for name, bus in (uart | i2c).items()]
    rows += [
        ("sht4x", 0, 0x44),
        ("battery", None, 1),
        ("soil_moisture", None, {"pin": 2, "dry_uv": 2_800_000}),
    ]
    chips = {name: boards.i2c_chip(name, {}, AIR) for name in (*i2c, "sht4x")}
    board = Board(
        i2c={
            0: [chip for name, chip in chips.items() if chip is not None and i2c.get(name) != 1],
            1: [chip for name, chip in chips.items() if chip is not None and i2c.get(name) == 1],
        },
        uart={bus: boards.UART_CHIPS[name](AIR) for name, bus in uart.items()},
        adc={1: Battery(AIR), 2: SoilMoisture(AIR)},
    )
    out = json.loads(run_script(tmp_path, BUILD.replace("ROWS", json.dumps(rows)), board)[-1])
    assert set(out.pop("known")) <= {name for name, _, _ in rows}
    assert out == {name: True for name, _, _ in rows}
