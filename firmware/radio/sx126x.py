"""SX1261/SX1262 as a LoRaWAN radio (Semtech SX1261/2 datasheet rev 2.1).

The chip forgets settings in sleep, warm or cold, so every transmission and every receive window
writes the whole configuration again. `transmit` and `receive` block; both leave the chip asleep.

IQ polarity: register 0x0736 bit 2 is set for normal and cleared for inverted IQ (datasheet 15.4,
the way RadioLib and LoRaMac-node do it; the driver of micropython-lib does the opposite).
"""

from wire._compat import const
from wire.lorawan.airtime import symbol_us, time_on_air_us

from . import sx126x_check
from .errors import RadioError
from .sx126x_bus import Sx126xBus

IRQ_TX_DONE = const(0x0001)
IRQ_RX_DONE = const(0x0002)
IRQ_HEADER_VALID = const(0x0010)
IRQ_HEADER_ERROR = const(0x0020)
IRQ_CRC_ERROR = const(0x0040)
IRQ_TIMEOUT = const(0x0200)
_IRQ_STATUS = const(0x0273)  # all of the above are recorded
_IRQ_DIO1 = const(0x0263)  # and all but HEADER_VALID raise DIO1

_STEP_US = const(100)  # of polling DIO1 at the end of a transmission: the error of the RX windows' origin
_WAKE_LEAD_US = const(25000)  # wake-up and configuration before a window; Python on the chip is slow
_AFTER_WINDOW_SYMBOLS = const(30)  # from the end of a window to a valid header, if a preamble was there
_TX_MARGIN_US = const(200000)
_TCXO_MV = (1600, 1700, 1800, 2200, 2400, 2700, 3000, 3300)  # datasheet table 13-35
_MIN_DBM = const(-9)
_MAX_DBM = const(22)


class Sx126x:
    """One SX1262 with its wires and its board's settings.

    tcxo_mv 0 means a crystal; antenna_gain_cdb (1/100 dB) is taken off the EIRP that is asked for.
    `window_late_us` is how late the last receive window opened; `errors` the last device errors.
    """

    def __init__(
        self,
        spi,
        nss,
        reset,
        busy,
        dio1,
        clock,
        tcxo_mv=1800,
        tcxo_delay_us=5000,
        dio2_rf_switch=True,
        dcdc=True,
        antenna_gain_cdb=215,
    ):
        if tcxo_mv and tcxo_mv not in _TCXO_MV:
            raise ValueError("tcxo_mv: " + str(tcxo_mv) + " is not one of " + str(_TCXO_MV))
        self.bus = Sx126xBus(spi, nss, reset, busy, clock)
        self.dio1 = dio1
        self.clock = clock
        self._pause_us = getattr(clock, "pause_us", clock.sleep_us)
        self.tcxo_mv = tcxo_mv
        self.tcxo_delay_us = tcxo_delay_us
        self.dio2_rf_switch = dio2_rf_switch
        self.dcdc = dcdc
        self.antenna_gain_cdb = antenna_gain_cdb
        self.window_late_us = 0
        self.errors = 0
        self._asleep = False
        self._started = False

    def start(self):
        """Reset, check the wiring, calibrate; RadioFault names what is wrong. Leaves the chip asleep."""
        self._started = False
        self._asleep = False
        sx126x_check.wiring(self.bus)
        self._supply()
        self.bus.command(0x07, 0, 0)  # the TCXO was off at reset: that error is expected (13.3.6)
        self.bus.command(0x89, 0x7F)  # calibrate every block, now with the right clock
        self.bus.command(0x98, 0xD7, 0xDB)  # image rejection for 863-870 MHz (table 9-2)
        self.bus.command(0x80, 1)
        self.errors = sx126x_check.device_errors(self.bus)
        sx126x_check.interrupt_line(self.bus, self.dio1)
        self._started = True
        self.sleep()

    def sleep(self):
        """Put the chip to sleep (warm: calibration is kept, 600 nA)."""
        if not self._asleep:
            self.bus.command(0x84, 0x04)
            self._asleep = True

    def transmit(self, freq_hz, sf, bw_khz, power_dbm, payload):
        """Send one frame at this EIRP; return ticks_us at its end. RadioError when it never ends."""
        length = len(payload)
        if not 1 <= length <= 255:
            raise RadioError("payload of " + str(length) + " bytes: 1 to 255 fit in a LoRa frame")
        buf = bytearray(length + 2)
        buf[0] = 0x0E
        buf[2:] = payload
        air_us = time_on_air_us(sf, bw_khz, length)
        bus = self.bus
        self._prepare(freq_hz, sf, bw_khz, length, True)
        bus.command(0x95, 0x04, 0x07, 0x00, 0x01)  # PA for up to 22 dBm (table 13-21)
        bus.command(0x8E, self._conducted(power_dbm) & 0xFF, 0x04)  # ramp 200 us
        bus.write_register(0x08D8, bus.read_register(0x08D8) | 0x1E)  # better resistance to mismatch (15.2)
        bus.write_register(0x0889, bus.read_register(0x0889) & 0xFB | (0 if bw_khz == 500 else 4))  # (15.1)
        bus.transfer(buf)
        clock = self.clock
        start = clock.ticks_us()
        bus.command(0x83, 0, 0, 0)
        self._sleep_until(clock.ticks_add(start, air_us - 1000))
        while not self.dio1.value():
            if clock.ticks_diff(clock.ticks_us(), start) > air_us + _TX_MARGIN_US:
                self._give_up("transmission does not end: check DIO1, TCXO and antenna switch settings")
            clock.sleep_us(_STEP_US)
        end = clock.ticks_us()
        flags = self._take_irq()
        self.sleep()
        if not flags & IRQ_TX_DONE:
            raise RadioError("DIO1 rose without TX done: interrupt flags " + hex(flags))
        return end

    def receive(self, freq_hz, sf, bw_khz, open_at_us, window_us):
        """Listen from open_at_us (ticks_us) for a downlink whose preamble shows within window_us.

        Returns (payload, rssi_dbm, snr_db_x4), or None when nothing came or it came damaged.
        """
        symbol = symbol_us(sf, bw_khz)
        clock = self.clock
        self._sleep_until(clock.ticks_add(open_at_us, -_WAKE_LEAD_US - self.tcxo_delay_us))
        self._prepare(freq_hz, sf, bw_khz, 255, False)
        self.bus.write_register(0x08AC, 0x96)  # boosted gain, lost in sleep (9.6)
        symbols = self._set_symbol_timeout((window_us + symbol - 1) // symbol)
        self._sleep_until(open_at_us)
        self.window_late_us = clock.ticks_diff(clock.ticks_us(), open_at_us)
        self.bus.command(0x82, 0, 0, 0)  # single reception; the symbol timeout ends it
        flags = self._await_reception(symbol, symbols, time_on_air_us(sf, bw_khz, 255))
        received = None
        if flags & IRQ_RX_DONE and not flags & (IRQ_CRC_ERROR | IRQ_HEADER_ERROR):
            received = self._read_packet()
        self.sleep()
        return received

    def _supply(self):
        """Regulator, TCXO and antenna switch: what the board decides."""
        command = self.bus.command
        command(0x80, 0)
        command(0x96, 1 if self.dcdc else 0)
        if self.tcxo_mv:
            delay = self.tcxo_delay_us * 64 // 1000  # steps of 15.625 us
            command(0x97, _TCXO_MV.index(self.tcxo_mv), delay >> 16 & 0xFF, delay >> 8 & 0xFF, delay & 0xFF)
        command(0x9D, 1 if self.dio2_rf_switch else 0)

    def _prepare(self, freq_hz, sf, bw_khz, length, uplink):
        """Wake the chip and write the whole configuration; it waits on its crystal afterwards."""
        if not self._started:
            self.start()
        bus = self.bus
        if self._asleep:
            bus.wake()
            self._asleep = False
        command = bus.command
        self._supply()
        command(0x80, 1)  # the oscillator runs from here on
        command(0x8A, 1)  # LoRa
        steps = ((freq_hz << 25) + 16000000) // 32000000  # nearest step of 0.95 Hz
        command(0x86, steps >> 24 & 0xFF, steps >> 16 & 0xFF, steps >> 8 & 0xFF, steps & 0xFF)
        ldro = 1 if symbol_us(sf, bw_khz) >= 16000 else 0
        command(0x8B, sf, {125: 4, 250: 5, 500: 6}[bw_khz], 1, ldro)
        command(0x8C, 0, 8, 0, length, 1 if uplink else 0, 0 if uplink else 1)
        polarity = bus.read_register(0x0736)
        bus.write_register(0x0736, polarity | 0x04 if uplink else polarity & 0xFB)
        command(0x0D, 0x07, 0x40, 0x34, 0x44)  # sync word of LoRaWAN
        command(0x8F, 0, 0)
        command(0x08, _IRQ_STATUS >> 8, _IRQ_STATUS & 0xFF, _IRQ_DIO1 >> 8, _IRQ_DIO1 & 0xFF, 0, 0, 0, 0)
        command(0x02, 0x03, 0xFF)

    def _conducted(self, eirp_dbm):
        """Return the dBm to ask of the chip: never more than the EIRP less the antenna gain."""
        power = (eirp_dbm * 100 - self.antenna_gain_cdb) // 100
        return min(max(power, _MIN_DBM), _MAX_DBM)

    def _set_symbol_timeout(self, symbols):
        """Set the window in symbols; the register knows mantissa * 2**(2 * exponent + 1): round up."""
        mantissa = (min(symbols, 248) + 1) // 2
        exponent = 0
        while mantissa > 31:
            mantissa = (mantissa + 3) // 4
            exponent += 1
        self.bus.command(0xA0, mantissa << (2 * exponent + 1))
        self.bus.write_register(0x0706, mantissa << 3 | exponent)
        return mantissa << (2 * exponent + 1)

    def _await_reception(self, symbol, symbols, longest_us):
        """Wait for the end of a single reception; return the interrupt flags, 0 when it was cut off."""
        clock = self.clock
        start = clock.ticks_us()
        step = max(symbol // 2, 1000)
        window_us = symbol * symbols
        self._sleep_until(clock.ticks_add(start, window_us + 500))
        no_header_us = window_us + _AFTER_WINDOW_SYMBOLS * symbol
        while not self.dio1.value():
            elapsed = clock.ticks_diff(clock.ticks_us(), start)
            if elapsed > no_header_us and not self._irq() & IRQ_HEADER_VALID:
                return 0  # noise taken for a preamble would keep the receiver on for ever
            if elapsed > window_us + longest_us:
                return 0
            self._pause_us(step)
        return self._take_irq()

    def _read_packet(self):
        status = self.bus.command(0x13, 0, 0, 0)
        length = status[2]
        start = status[3]
        status = self.bus.command(0x14, 0, 0, 0, 0)
        rssi = -(status[2] // 2)
        snr = status[3] - 256 if status[3] > 127 else status[3]
        if not length:
            return None
        buf = bytearray(length + 3)
        buf[0] = 0x1E
        buf[1] = start
        self.bus.transfer(buf)
        return bytes(buf[3:]), rssi, snr

    def _irq(self):
        status = self.bus.command(0x12, 0, 0, 0)
        return status[2] << 8 | status[3]

    def _take_irq(self):
        flags = self._irq()
        self.bus.command(0x02, 0x03, 0xFF)
        return flags

    def _sleep_until(self, at_us):
        clock = self.clock
        left = clock.ticks_diff(at_us, clock.ticks_us())
        if left > 3000:
            clock.sleep_ms((left - 1000) // 1000)
            left = clock.ticks_diff(at_us, clock.ticks_us())
        if left > 0:
            clock.sleep_us(left)

    def _give_up(self, message):
        """Start afresh at the next use (a dip of the supply leaves the chip deaf though it answers)."""
        self._started = False
        raise RadioError(message)
