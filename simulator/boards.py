"""From a board's description (hardware/boards/*.toml) to a simulated board with chip models on its pins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator import hardware
from simulator.buses import Board, SpiMount
from simulator.channel.frame import Channel
from simulator.chips.a02yyuw import A02YYUW
from simulator.chips.base import AdcChip, I2cChip, Microphone, OneWireChip, PulseChip, Source, UartChip
from simulator.chips.battery import Battery
from simulator.chips.bme280 import BME280
from simulator.chips.bme680 import BME680
from simulator.chips.detector import Detector
from simulator.chips.ds18b20 import DS18B20
from simulator.chips.i2s_mic import I2sMicrophone
from simulator.chips.ina219 import INA219
from simulator.chips.lis3dh import LIS3DH
from simulator.chips.mb7389 import MB7389
from simulator.chips.pcf8593 import PCF8593
from simulator.chips.pms5003 import PMS5003
from simulator.chips.rain_gauge import RainGauge
from simulator.chips.scd4x import SCD4x
from simulator.chips.sds011 import SDS011
from simulator.chips.sen5x import SEN5x
from simulator.chips.sen66 import SEN66
from simulator.chips.sgp41 import SGP41
from simulator.chips.sht4x import SHT4x
from simulator.chips.soil_moisture import SoilMoisture
from simulator.chips.sps30 import SPS30
from simulator.chips.sps30_uart import SPS30Uart
from simulator.chips.switch import SupplySwitch
from simulator.chips.sx1262 import Sx1262
from simulator.chips.sx1276 import Sx1276
from simulator.chips.ulp import Ulp
from simulator.chips.vl53l1x import VL53L1X
from simulator.hardware import describe
from simulator.nodeproc import SimulatorError


def i2c_chip(driver: str, options: dict[str, Any], source: Source) -> I2cChip | None:
    """Return the model of an I2C sensor, None when the driver is for another bus."""
    makers: dict[str, Callable[[], I2cChip]] = {
        "sht4x": lambda: SHT4x(source, address=options.get("address", 0x44)),
        "sps30": lambda: SPS30(source),
        "sen5x": lambda: SEN5x(source),
        "sen66": lambda: SEN66(source),
        "scd4x": lambda: SCD4x(source),
        "sgp41": lambda: SGP41(source),
        "bme280": lambda: BME280(source, address=options.get("address", 0x76)),
        "bme680": lambda: BME680(source, address=options.get("address", 0x76)),
        "vl53l1x": lambda: VL53L1X(source),
        "lis3dh": lambda: LIS3DH(source, address=options.get("address", 0x18)),
        "ina219": lambda: INA219(source, address=options.get("address", 0x40)),
    }
    make = makers.get(driver)
    return make() if make else None


# Sensors that talk on a serial line.
UART_CHIPS: dict[str, Callable[[Source], UartChip]] = {
    "a02yyuw": A02YYUW,
    "mb7389": MB7389,
    "pms5003": PMS5003,
    "sds011": SDS011,
    "sps30_uart": SPS30Uart,
}


def radio_mount(description: dict[str, Any], channel: Channel, name: str) -> SpiMount:
    """Return the model of a board's radio with its wires on the board's pins."""
    radio = description["radio"]
    reset = {"reset": radio["reset"]}
    if radio["chip"] == "sx127x":
        sx1276 = Sx1276(
            channel, needs_tcxo=radio.get("tcxo", False), pa_boost=radio.get("pa_boost", True), name=name
        )
        return SpiMount(sx1276, radio["nss"], {"dio0": radio["dio0"], "dio1": radio["dio1"]}, reset)
    sx1262 = Sx1262(channel, needs_tcxo=bool(radio.get("tcxo_mv", 1800)), name=name)
    return SpiMount(sx1262, radio["nss"], {"busy": radio["busy"], "dio1": radio["dio1"]}, reset)


def build(
    name: str, source: Source, channel: Channel | None = None, *, seed: int = 0, mm_per_tip: float = 0.2794
) -> Board:
    """Return the simulated board with a model for each sensor and, with a channel, its radio.

    source: the physical quantities around this node, by the names that the models ask for.
    """
    return build_described(name, describe(name), source, channel, seed=seed, mm_per_tip=mm_per_tip)


def build_described(
    name: str,
    description: dict[str, Any],
    source: Source,
    channel: Channel | None = None,
    *,
    seed: int = 0,
    mm_per_tip: float = 0.2794,
) -> Board:
    """Return the simulated board of a description that no file of hardware/ need have."""
    i2c: dict[int, list[I2cChip]] = {}
    uart: dict[int, UartChip] = {}
    adc: dict[int, AdcChip] = {}
    counters: dict[int, PulseChip] = {}
    i2s: dict[int, Microphone] = {}
    one_wire: dict[int, OneWireChip] = {}
    switches: dict[int, SupplySwitch] = {}
    ulp: Ulp | None = None
    chips: dict[str, object] = {}
    for row in description.get("sensors", []):
        driver, bus, options = row["driver"], row.get("bus", 0), row.get("options", {})
        chip: Any = i2c_chip(driver, options, source)
        if chip is not None:
            i2c.setdefault(bus, []).append(chip)
        elif driver in UART_CHIPS:
            chip = uart[bus] = UART_CHIPS[driver](source)
        elif driver == "soil_moisture":
            chip = adc[options["pin"]] = SoilMoisture(source)
        elif driver == "battery":
            chip = adc[options["pin"]] = Battery(source, tuple(options.get("ratio", (2, 1))))
        elif driver in ("rain_gauge", "passage"):
            chip = RainGauge(source, mm_per_tip) if driver == "rain_gauge" else Detector(source)
            if options.get("counter") == "ulp":
                pad: int = hardware.chips()[options["chip"]]["ulp_pins"][str(options["pin"])]
                chips["ulp"] = ulp = Ulp(options["chip"], {pad: chip})
            elif options.get("counter") == "pcf8593":
                chips["pcf8593"] = counter = PCF8593(chip)
                i2c.setdefault(bus, []).append(counter)
            else:
                counters[options["pin"]] = chip
        elif driver == "ds18b20":
            chip = one_wire[options["pin"]] = DS18B20(source)
        elif driver == "i2s_mic":
            rate_hz = description["i2s"][str(bus)].get("rate", 48000)
            chip = i2s[bus] = I2sMicrophone(
                source, rate_hz=rate_hz, slot=options.get("slot", 0), seed=seed + 1
            )
        else:
            raise SimulatorError(f"board {name}: no chip model stands for driver {driver}")
        chips[driver] = chip
        if "power" in options and driver != "soil_moisture":
            switches.setdefault(options["power"], SupplySwitch()).add(chip)
    spi: dict[int, list[SpiMount]] = {}
    radio = description.get("radio")
    if radio is not None and channel is not None:
        mount = radio_mount(description, channel, name)
        spi[radio["spi"]] = [mount]
        chips["radio"] = mount.chip
    board = Board(
        name,
        i2c=i2c,
        spi=spi,
        uart=uart,
        adc=adc,
        counters=counters,
        i2s=i2s,
        one_wire=one_wire,
        switches=switches,
        ulp=ulp,
    )
    board.chips.update(chips)
    return board
