"""Sensors behind a switch of their supply: on while somebody measures, off otherwise."""


class PowerSwitch:
    """One switch for several sensors. pin: a machine.Pin that is 1 for on."""

    def __init__(self, pin):
        self._pin = pin
        self._users = 0

    def on(self):
        """One more wants it."""
        self._users += 1
        self._pin.value(1)

    def off(self):
        """One fewer wants it."""
        self._users = max(0, self._users - 1)
        if not self._users:
            self._pin.value(0)


class Switched:
    """A driver whose supply is switched on by start() and off by stop().

    boot_ms: from the supply to the first command that the sensor takes.
    """

    def __init__(self, driver, switch, clock, boot_ms=100):
        self.driver = driver
        self._switch = switch
        self._clock = clock
        self._boot_ms = boot_ms
        self._on = False
        self.MEASURES = driver.MEASURES
        self.settle_ms = driver.settle_ms
        self.fetch_ms = getattr(driver, "fetch_ms", 0)

    def __getattr__(self, name):
        """Return what else the driver has: clean, health, ..."""
        if name == "driver":
            raise AttributeError(name)
        return getattr(self.driver, name)

    def probe(self):
        """Ask who is there, with the supply on for as long as it takes."""
        was_on = self._on
        self._power(True)
        self._clock.sleep_ms(self.driver.settle_ms if self.driver.settle_ms < 1000 else 0)
        try:
            return self.driver.probe()
        finally:
            self._power(was_on)

    def start(self):
        """Switch on and start."""
        self._power(True)
        self.driver.start()

    def fetch(self):
        """Return the driver's readings."""
        return self.driver.fetch()

    def stop(self):
        """Stop and switch off."""
        try:
            self.driver.stop()
        finally:
            self._power(False)

    def _power(self, on):
        if on and not self._on:
            self._switch.on()
            self._clock.sleep_ms(self._boot_ms)
        elif self._on and not on:
            self._switch.off()
        self._on = on
