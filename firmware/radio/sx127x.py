"""SX1276/77/78/79 (RFM95 and kin) as a LoRaWAN radio (Semtech SX1276 datasheet rev 7, errata note rev 1).

The chip keeps its registers in sleep, but a dip of the supply resets them without a word, so every
transmission and every receive window writes the whole configuration again. `transmit` and `receive`
block; both leave the chip asleep, which empties its FIFO.

IQ polarity: RegInvertIQ 0x27 for normal, 0x67 for an inverted receive path, and RegInvertIQ2 0x1D or
0x19 with it (datasheet table 41 and its note; one without the other is deaf).
"""

from wire._compat import const
from wire.lorawan.airtime import symbol_us, time_on_air_us

from . import sx127x_check
from .errors import RadioError
from .sx127x_bus import Sx127xBus

IRQ_RX_TIMEOUT = const(0x80)
IRQ_RX_DONE = const(0x40)
IRQ_CRC_ERROR = const(0x20)
IRQ_VALID_HEADER = const(0x10)
IRQ_TX_DONE = const(0x08)

SLEEP = const(0x80)  # RegOpMode with LongRangeMode, high frequency registers
STANDBY = const(0x81)
_TX = const(0x83)
_RX_SINGLE = const(0x86)

_DIO_TX = const(0x40)  # DIO0 TxDone
_DIO_RX = const(0x00)  # DIO0 RxDone, DIO1 RxTimeout
_STEP_US = const(100)
_WAKE_LEAD_US = const(25000)  # wake-up and configuration before a window; Python on the chip is slow
_AFTER_WINDOW_SYMBOLS = const(30)  # from the end of a window to a valid header, if a preamble was there
_TX_MARGIN_US = const(200000)
_MIN_SYMBOLS = const(4)
_MAX_SYMBOLS = const(1023)
_RSSI_OFFSET_DBM = const(157)  # high frequency port (datasheet 5.5.5)


class Sx127x:
    """One SX1276 with its wires and its board's settings.

    pa_boost: the antenna is on PA_BOOST (2 to 17 dBm), as on nearly all modules; else on RFO_HF (up to
    14 dBm). tcxo: an oscillator feeds XTA. antenna_gain_cdb (1/100 dB) is taken off the EIRP asked for.
    `window_late_us` is how late the last receive window opened.
    """

    def __init__(self, spi, nss, reset, dio0, dio1, clock, pa_boost=True, tcxo=False, antenna_gain_cdb=215):
        self.bus = Sx127xBus(spi, nss, reset, clock)
        self.dio0 = dio0
        self.dio1 = dio1
        self.clock = clock
        self._pause_us = getattr(clock, "pause_us", clock.sleep_us)
        self.pa_boost = pa_boost
        self.tcxo = tcxo
        self.antenna_gain_cdb = antenna_gain_cdb
        self.window_late_us = 0
        self._started = False

    def start(self):
        """Reset, check the wiring, calibrate; RadioFault names what is wrong. Leaves the chip asleep."""
        self._started = False
        sx127x_check.wiring(self.bus)
        self.bus.write(0x4B, 0x19 if self.tcxo else 0x09)
        sx127x_check.calibrate_image(self.bus)
        sx127x_check.interrupt_lines(self.bus, self.dio0, self.dio1)
        self._started = True
        self.sleep()

    def sleep(self):
        """Put the chip to sleep (0.2 uA)."""
        self.bus.write(0x01, SLEEP)

    def transmit(self, freq_hz, sf, bw_khz, power_dbm, payload):
        """Send one frame at this EIRP; return ticks_us at its end. RadioError when it never ends."""
        length = len(payload)
        if not 1 <= length <= 255:
            raise RadioError("payload of " + str(length) + " bytes: 1 to 255 fit in a LoRa frame")
        buf = bytearray(length + 1)
        buf[0] = 0x80
        buf[1:] = payload
        air_us = time_on_air_us(sf, bw_khz, length)
        bus = self.bus
        self._prepare(freq_hz, sf, bw_khz, 0, True)
        bus.write(0x09, self._pa_config(power_dbm))
        bus.write(0x4D, 0x84)  # no +20 dBm
        bus.write(0x0E, 0)
        bus.write(0x0D, 0)
        bus.write(0x22, length)
        bus.transfer(buf)
        bus.write(0x40, _DIO_TX)
        clock = self.clock
        start = clock.ticks_us()
        bus.write(0x01, _TX)
        self._sleep_until(clock.ticks_add(start, air_us - 1000))
        while not self.dio0.value():
            if clock.ticks_diff(clock.ticks_us(), start) > air_us + _TX_MARGIN_US:
                self._give_up("transmission does not end: check DIO0 and the supply")
            clock.sleep_us(_STEP_US)
        end = clock.ticks_us()
        flags = self._take_irq()
        self.sleep()
        if not flags & IRQ_TX_DONE:
            raise RadioError("DIO0 rose without TX done: interrupt flags " + hex(flags))
        return end

    def receive(self, freq_hz, sf, bw_khz, open_at_us, window_us):
        """Listen from open_at_us (ticks_us) for a downlink whose preamble shows within window_us.

        Returns (payload, rssi_dbm, snr_db_x4), or None when nothing came or it came damaged.
        """
        symbol = symbol_us(sf, bw_khz)
        symbols = min(max((window_us + symbol - 1) // symbol, _MIN_SYMBOLS), _MAX_SYMBOLS)
        clock = self.clock
        self._sleep_until(clock.ticks_add(open_at_us, -_WAKE_LEAD_US))
        self._prepare(freq_hz, sf, bw_khz, symbols, False)
        bus = self.bus
        bus.write(0x0C, 0x23)  # highest gain, boosted
        bus.write(0x0F, 0)
        bus.write(0x0D, 0)
        bus.write(0x23, 0xFF)
        bus.write(0x40, _DIO_RX)
        self._sleep_until(open_at_us)
        self.window_late_us = clock.ticks_diff(clock.ticks_us(), open_at_us)
        bus.write(0x01, _RX_SINGLE)
        flags = self._await_reception(symbol, symbols, time_on_air_us(sf, bw_khz, 255))
        received = None
        if flags & IRQ_RX_DONE and not flags & IRQ_CRC_ERROR:
            received = self._read_packet()
        self.sleep()
        return received

    def _prepare(self, freq_hz, sf, bw_khz, symbols, uplink):
        """Wake the chip and write the whole configuration; it waits on its crystal afterwards."""
        if not self._started:
            self.start()
        write = self.bus.write
        write(0x01, SLEEP)  # from here on it is LoRa, whatever the chip went through
        write(0x4B, 0x19 if self.tcxo else 0x09)
        write(0x01, STANDBY)
        self.clock.sleep_us(300)  # oscillator start (datasheet table 7: 250 us)
        steps = ((freq_hz << 19) + 16000000) // 32000000  # nearest step of 61 Hz
        write(0x06, steps >> 16 & 0xFF)
        write(0x07, steps >> 8 & 0xFF)
        write(0x08, steps & 0xFF)
        ldro = 0x08 if symbol_us(sf, bw_khz) >= 16000 else 0
        write(0x1D, {125: 7, 250: 8, 500: 9}[bw_khz] << 4 | 0x02)
        write(0x1E, sf << 4 | (0x04 if uplink else 0) | symbols >> 8)
        write(0x1F, symbols & 0xFF)
        write(0x26, ldro | 0x04)
        write(0x20, 0)
        write(0x21, 8)
        write(0x39, 0x34)  # sync word of LoRaWAN
        write(0x33, 0x27 if uplink else 0x67)
        write(0x3B, 0x1D if uplink else 0x19)
        # Spurious reception and 500 kHz sensitivity (errata 2.3 and 2.1); 7-12 want threshold 0x0A
        write(0x31, 0xC3 if bw_khz == 500 else 0x43)
        write(0x2F, 0x40)
        write(0x30, 0x00)
        write(0x37, 0x0A)
        write(0x36, 0x02 if bw_khz == 500 else 0x03)
        if bw_khz == 500:
            write(0x3A, 0x64)
        write(0x11, 0x00)
        write(0x12, 0xFF)

    def _pa_config(self, eirp_dbm):
        """Return RegPaConfig: never more than the EIRP less the antenna gain, the lowest step aside."""
        power = (eirp_dbm * 100 - self.antenna_gain_cdb) // 100
        if self.pa_boost:
            return 0x80 | min(max(power, 2), 17) - 2
        return 0x70 | min(max(power, 0), 14)  # Pmax 15: output is the value itself

    def _await_reception(self, symbol, symbols, longest_us):
        """Wait for the end of a single reception; return the interrupt flags, 0 when it was cut off."""
        clock = self.clock
        start = clock.ticks_us()
        step = max(symbol // 2, 1000)
        window_us = symbol * symbols
        self._sleep_until(clock.ticks_add(start, window_us + 500))
        no_header_us = window_us + _AFTER_WINDOW_SYMBOLS * symbol
        while not (self.dio0.value() or self.dio1.value()):
            elapsed = clock.ticks_diff(clock.ticks_us(), start)
            if elapsed > no_header_us and not self.bus.read(0x12) & IRQ_VALID_HEADER:
                return 0  # noise taken for a preamble would keep the receiver on for ever
            if elapsed > window_us + longest_us:
                return 0
            self._pause_us(step)
        return self._take_irq()

    def _read_packet(self):
        bus = self.bus
        length = bus.read(0x13)
        if not length:
            return None
        snr_x4 = bus.read(0x19)
        if snr_x4 > 127:
            snr_x4 -= 256
        rssi = bus.read(0x1A) - _RSSI_OFFSET_DBM + min(snr_x4, 0) // 4
        bus.write(0x0D, bus.read(0x10))
        buf = bytearray(length + 1)
        bus.transfer(buf)
        return bytes(buf[1:]), rssi, snr_x4

    def _take_irq(self):
        flags = self.bus.read(0x12)
        self.bus.write(0x12, 0xFF)
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
