"""Published bytes of the climate, gas and soil sensors through their drivers on both Pythons."""

from drivers import (
    angles,
    bme280,
    bme680,
    ds18b20,
    ina219,
    lis3dh,
    scd4x,
    sen5x,
    sen66,
    soil_moisture,
    vl53l1x,
)


class Clock:
    """Time that moves only when someone sleeps."""

    def __init__(self):
        self.now = 0

    def ticks_ms(self):
        """Return milliseconds."""
        return self.now

    def ticks_diff(self, a, b):
        """Return a - b."""
        return a - b

    def sleep_ms(self, n):
        """Move the clock."""
        self.now += n


class Replies:
    """An I2C bus that answers each command (hex of all bytes written) with its reply."""

    def __init__(self, replies):
        self.replies = replies
        self.reply = b""

    def writeto(self, address, buf):
        """Remember the command."""
        self.reply = bytes.fromhex(self.replies.get(bytes(buf).hex(), ""))

    def readfrom_into(self, address, buf):
        """Answer it."""
        if len(self.reply) != len(buf):
            raise OSError(19)
        buf[:] = self.reply


class Wire:
    """A 1-Wire bus with one scratchpad."""

    def __init__(self, data):
        self.data = data

    def reset(self):
        """Show presence."""
        return True

    def writebyte(self, value):
        """Take a command."""

    def readinto(self, buf):
        """Give the scratchpad."""
        buf[:] = self.data


class Volts:
    """An ADC with one voltage."""

    def __init__(self, uv):
        self.uv = uv

    def read_uv(self):
        """Return it."""
        return self.uv


def run(data):
    """Return the readings of each case of each chip, and the numbers of the BME280's worked example."""
    out = {"continuous": [], "ds18b20": [], "ina219": [], "soil": [], "bme280": []}
    chips = {"scd4x": scd4x.SCD4x, "sen5x": sen5x.SEN5x, "sen66": sen66.SEN66}
    for name, replies in data["continuous"]:
        clock = Clock()
        driver = chips[name](Replies(replies), clock)
        driver.start()
        clock.sleep_ms(driver.settle_ms)
        out["continuous"].append(driver.fetch())
    for text in data["ds18b20"]:
        out["ds18b20"].append(ds18b20.DS18B20(Wire(bytes.fromhex(text)), Clock()).fetch())
    for replies in data["ina219"]:
        out["ina219"].append(ina219.INA219(Replies(replies), Clock()).fetch())
    for uv in data["soil"]:
        out["soil"].append(soil_moisture.SoilMoisture(Volts(uv), Clock()).fetch())
    for replies in data["bme280"]:
        out["bme280"].append(bme280.BME280(Replies(replies), Clock()).fetch())
    out["lis3dh"] = []
    for replies in data["lis3dh"]:
        clock = Clock()
        driver = lis3dh.LIS3DH(Replies(replies), clock)
        driver.start()
        clock.sleep_ms(driver.settle_ms)
        out["lis3dh"].append(driver.fetch())
    out["vl53l1x"] = [vl53l1x.VL53L1X(Replies(replies), Clock()).fetch() for replies in data["vl53l1x"]]
    out["angles"] = [angles.angle_tenths(a, b) for a, b in data["angles"]]
    first, second, third = [bytes.fromhex(text) for text in data["bme680"][:3]]
    calibration = bme680.Calibration(first, second, third)
    fine = calibration.t_fine(501240)
    out["bme680"] = [
        fine,
        calibration.pressure_256ths(353485, fine),
        calibration.humidity_1024ths(19019, fine),
        calibration.ohms(0, 0, False),
        calibration.ohms(0, 0, True),
        [calibration.heater(c, 25) for c in (100, 200, 320, 400)],
    ]
    low, high, adc_t, adc_p, adc_h = data["compensation"]
    calibration = bme280.Calibration(bytes.fromhex(low), bytes.fromhex(high))
    fine = calibration.t_fine(adc_t)
    out["compensation"] = [
        fine,
        calibration.temperature_centi(fine),
        calibration.pressure_256ths(adc_p, fine),
        calibration.humidity_1024ths(adc_h, fine),
    ]
    return out
