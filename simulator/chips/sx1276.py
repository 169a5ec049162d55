"""Semtech SX1276 at register level (SX1276 datasheet rev 7): what the host sees on its wires.

`transfer` is one NSS-low transaction (address byte, then data with auto-increment); wires are "dio0" and
"dio1" (driven by the chip) and "reset" (driven by the host). The air is a `Channel`. Nothing ticks the
model: each call advances it.

What the model is strict about, because real chips are:

- Sleep empties the FIFO, and in sleep the FIFO cannot be reached.
- LongRangeMode can be changed in sleep only; a write of it in another mode is ignored.
- The IQ polarity needs RegInvertIQ and RegInvertIQ2 to agree; else nobody is heard.
- Without its TCXO input switched on, a board with a TCXO neither sends nor hears, nor calibrates.
- The antenna is on PA_BOOST or on RFO; with the wrong one selected nobody hears what is sent.
- A damaged frame with CRC raises PayloadCrcError together with RxDone.
- Listening at 125 or 250 kHz with AutomaticIFOn is the spurious reception of the errata note (2.3): it is
  counted in `spurious_receptions`.

Not there: FSK, FHSS, continuous reception, detection of activity (CAD ends and never finds any).
"""

from __future__ import annotations

from simulator.channel.frame import Channel, Frame, Tuning
from simulator.chips.sx1262_radio import Reception
from wire.lorawan import airtime

RX_TIMEOUT, RX_DONE, CRC_ERROR, VALID_HEADER, TX_DONE, CAD_DONE = 0x80, 0x40, 0x20, 0x10, 0x08, 0x04
SLEEP, STANDBY, TX, RX_SINGLE, CAD = 0, 1, 3, 6, 7

_RESET_US = 5000  # datasheet 7.2.2
_CALIBRATION_US = 5000
_START_TX_US, _START_RX_US = 180, 160  # synthesiser and ramp (table 7)
_OSCILLATOR_US = 250
_SYMBOLS_TO_DETECT = 5
_SYMBOLS_TO_HEADER = 20
_BANDWIDTHS_KHZ = {7: 125, 8: 250, 9: 500}
_PAGED = range(0x0D, 0x40)  # these registers exist twice, for LoRa and for FSK
# Reset values (datasheet tables 41 and 42), of the registers that matter here.
_LORA = {
    0x0E: 0x80, 0x1D: 0x72, 0x1E: 0x70, 0x1F: 0x64, 0x21: 0x08, 0x22: 0x01, 0x23: 0xFF, 0x2F: 0x20,
    0x31: 0xC3, 0x33: 0x27, 0x36: 0x03, 0x37: 0x0A, 0x39: 0x12, 0x3A: 0x52, 0x3B: 0x1D,
}  # fmt: skip
_COMMON = {
    0x01: 0x09, 0x06: 0x6C, 0x07: 0x80, 0x09: 0x4F, 0x0A: 0x09, 0x0B: 0x2B, 0x0C: 0x20,
    0x42: 0x12, 0x4B: 0x09, 0x4D: 0x84,
}  # fmt: skip
_FSK = {0x3B: 0x02}
_READ_ONLY = {0x10, 0x13, 0x18, 0x19, 0x1A, 0x1B, 0x42}


class Sx1276:
    """One chip on its board; `now_us` is the world's clock."""

    def __init__(
        self, channel: Channel, *, needs_tcxo: bool = False, pa_boost: bool = True, name: str = "sx1276"
    ) -> None:
        self.channel = channel
        self.needs_tcxo = needs_tcxo
        self.pa_boost = pa_boost
        self.name = name
        self.spurious_receptions = 0
        self.calibrated_hz: int | None = None
        self._held_in_reset = False
        self._tx: Frame | None = None
        self._rx: Reception | None = None
        self._power_on(0)

    # -- wires -------------------------------------------------------------------------------

    def pin(self, name: str, now_us: int) -> int:
        """Return the level of "dio0" or "dio1"."""
        self._advance(now_us)
        mapping = self.common[0x40]
        if name == "dio0":
            flag = (RX_DONE, TX_DONE, CAD_DONE, 0)[mapping >> 6]
        elif name == "dio1":
            flag = (RX_TIMEOUT, 0, 0, 0)[mapping >> 4 & 3]
        else:
            raise KeyError(f"an SX1276 drives dio0 and dio1 here, not {name}")
        return int(bool(self.irq & flag))

    def set_pin(self, name: str, value: int, now_us: int) -> None:
        """Take a level of "reset" (active low)."""
        if name != "reset":
            raise KeyError(f"an SX1276 has the input reset, not {name}")
        self._advance(now_us)
        if not value:
            self._stop_air(now_us)
            self._held_in_reset = True
        elif self._held_in_reset:
            self._held_in_reset = False
            self._power_on(now_us)

    def next_change_us(self, name: str, now_us: int) -> int | None:
        """Return when "dio0" or "dio1" will change next, as far as known now."""
        self._advance(now_us)
        if self._tx is not None:
            return self._tx.end_us
        if self._rx is not None:
            return self._rx.next_event_us(self.channel, self)
        return self._cad_until_us

    def on_air(self, mosi: bytes = b"") -> bool:
        """Tell whether the channel has a part in what this transaction does, or in the pins' levels."""
        starts = len(mosi) > 1 and mosi[0] == 0x81 and mosi[1] & 7 in (TX, RX_SINGLE)
        return self._tx is not None or self._rx is not None or starts

    @property
    def deaf_us(self) -> int:
        """How long a frame that nobody has begun yet cannot change the pins: its preamble and header."""
        return self._rx.symbol_us * _SYMBOLS_TO_HEADER if self._rx is not None else 1 << 62

    def transfer(self, mosi: bytes, now_us: int) -> bytes:
        """Run one SPI transaction; the returned bytes are what MISO carried."""
        self._advance(now_us)
        miso = bytearray(len(mosi))
        if not mosi or self._held_in_reset or now_us < self._ready_us:
            return bytes(miso)
        address, writes = mosi[0] & 0x7F, bool(mosi[0] & 0x80)
        for i in range(1, len(mosi)):
            if writes:
                self._write(address, mosi[i], now_us)
            else:
                miso[i] = self._read(address)
            address += address != 0  # the FIFO stays where it is
        return bytes(miso)

    # -- registers ---------------------------------------------------------------------------

    @property
    def mode(self) -> int:
        """Mode bits of RegOpMode."""
        return self.common[0x01] & 7

    def _page(self, address: int) -> bytearray:
        if address not in _PAGED:
            return self.common
        return self.lora if self.common[0x01] & 0x80 else self.fsk

    def _read(self, address: int) -> int:
        if address == 0:
            return self._fifo_step(None)
        if address == 0x12 and self.common[0x01] & 0x80:
            return self.irq
        return self._page(address)[address & 0x7F]

    def _write(self, address: int, value: int, now_us: int) -> None:
        if address == 0:
            self._fifo_step(value)
        elif address == 0x01:
            self._set_mode(value, now_us)
        elif address == 0x12 and self.common[0x01] & 0x80:
            self.irq &= ~value
        elif address == 0x3B and not self.common[0x01] & 0x80:
            self._calibrate(value, now_us)
        elif address not in _READ_ONLY:
            self._page(address)[address & 0x7F] = value

    def _fifo_step(self, value: int | None) -> int:
        """Read or write the FIFO at its pointer and move on; in sleep nobody is there."""
        if self.mode == SLEEP or not self.common[0x01] & 0x80:
            return 0
        at = self.lora[0x0D]
        self.lora[0x0D] = at + 1 & 0xFF
        if value is not None:
            self.fifo[at] = value
        return self.fifo[at]

    def _calibrate(self, value: int, now_us: int) -> None:
        self.fsk[0x3B] = value & 0x9F
        if value & 0x40 and self.mode == STANDBY:
            self._calibration_until_us = now_us + _CALIBRATION_US if self._clock_runs() else 1 << 62
            self.fsk[0x3B] |= 0x20

    # -- life --------------------------------------------------------------------------------

    def _power_on(self, now_us: int) -> None:
        self.common, self.lora, self.fsk = bytearray(128), bytearray(128), bytearray(128)
        for page, values in ((self.common, _COMMON), (self.lora, _LORA), (self.fsk, _FSK)):
            for address, value in values.items():
                page[address] = value
        self.fifo = bytearray(256)
        self.irq = 0
        self._tx = self._rx = None
        self._cad_until_us: int | None = None
        self._calibration_until_us: int | None = None
        self._ready_us = now_us + _RESET_US if now_us else 0
        self._oscillator_us = 0

    def _clock_runs(self) -> bool:
        return not self.needs_tcxo or bool(self.common[0x4B] & 0x10)

    def _advance(self, now_us: int) -> None:
        """Let everything happen that is due by now."""
        if self._calibration_until_us is not None and now_us >= self._calibration_until_us:
            self._calibration_until_us = None
            self.fsk[0x3B] &= ~0x20
            self.calibrated_hz = self.freq_hz
        if self._cad_until_us is not None and now_us >= self._cad_until_us:
            self._cad_until_us = None
            self._to_standby(CAD_DONE)
        if self._tx is not None and now_us >= self._tx.end_us:
            self._tx = None
            self._to_standby(TX_DONE)
        reception = self._rx
        if reception is None:
            return
        reception.advance(self.channel, self, now_us)
        frame = reception.frame
        if frame is not None and now_us >= frame.header_us and not reception.cut_before_header:
            self._raise(VALID_HEADER)
        if reception.timed_out:
            self._rx = None
            self._to_standby(RX_TIMEOUT)
        elif reception.done and frame is not None:
            self._rx = None
            self._take(frame)

    def _raise(self, flags: int) -> None:
        self.irq |= flags & ~self.lora[0x11]

    def _to_standby(self, flags: int) -> None:
        self.common[0x01] = self.common[0x01] & ~7 | STANDBY
        self._raise(flags)

    def _take(self, frame: Frame) -> None:
        """Put a received frame into the FIFO."""
        damaged = frame.damaged or not self.channel.received(frame, self)
        payload = bytes(b ^ 0x5A for b in frame.payload) if damaged else frame.payload
        base = self.lora[0x0F]
        for i, byte in enumerate(payload):
            self.fifo[base + i & 0xFF] = byte
        self.lora[0x10], self.lora[0x13] = base, len(payload)
        rssi, snr = self.channel.link(frame, self)
        self.lora[0x19] = min(max(round(4 * snr), -128), 127) & 0xFF
        self.lora[0x1A] = min(max(round(rssi - min(snr, 0) + 157), 0), 255)
        self.lora[0x1C] = 0x40 if frame.crc else 0
        self._to_standby(RX_DONE | (CRC_ERROR if damaged and frame.crc else 0))

    def _stop_air(self, now_us: int) -> None:
        """Break off what is on the air."""
        if self._tx is not None:
            self._tx.cut(now_us)
            self._tx = None
        self._rx = self._cad_until_us = None

    # -- modes -------------------------------------------------------------------------------

    def _set_mode(self, value: int, now_us: int) -> None:
        before = self.common[0x01]
        if before & 7 != SLEEP:
            value = value & 0x7F | before & 0x80  # LoRa or FSK is chosen in sleep
        self._stop_air(now_us)
        self.common[0x01] = value
        mode = value & 7
        if mode == SLEEP:
            self.fifo = bytearray(256)
            return
        if before & 7 == SLEEP:
            self._oscillator_us = now_us + _OSCILLATOR_US
        if mode in (TX, RX_SINGLE, CAD) and value & 0x80 and self._clock_runs():
            start_us = max(now_us, self._oscillator_us)
            (self._start_tx if mode == TX else self._start_rx if mode == RX_SINGLE else self._start_cad)(
                start_us
            )

    @property
    def freq_hz(self) -> int:
        """What RegFrf says."""
        return round(int.from_bytes(self.common[0x06:0x09], "big") * 32_000_000 / (1 << 19))

    @property
    def sf(self) -> int:
        """Spreading factor."""
        return self.lora[0x1E] >> 4

    @property
    def bw_khz(self) -> int:
        """Bandwidth."""
        return _BANDWIDTHS_KHZ.get(self.lora[0x1D] >> 4, 0)

    @property
    def sync_word(self) -> int:
        """RegSyncWord in the form of the SX126x, which frames carry."""
        word = self.lora[0x39]
        return (word >> 4) << 12 | 4 << 8 | (word & 15) << 4 | 4

    @property
    def ldro(self) -> bool:
        """LowDataRateOptimize."""
        return bool(self.lora[0x26] & 0x08)

    def _usable(self) -> bool:
        """Tell whether modulation and registers are for this band at all."""
        high_band = not self.common[0x01] & 0x08
        return high_band and 7 <= self.sf <= 12 and self.bw_khz > 0 and self.lora[0x31] & 7 == 3

    def _polarity(self, inverted: bool) -> bool | None:
        """Return the polarity of a path, None when the two registers do not agree."""
        return inverted if self.lora[0x3B] == (0x19 if inverted else 0x1D) else None

    def output_power_dbm(self) -> float:
        """Return the conducted power (datasheet table 33, 5.4.3)."""
        config = self.common[0x09]
        if bool(config & 0x80) != self.pa_boost:
            return -60.0
        if config & 0x80:
            return (config & 15) + (5 if self.common[0x4D] & 7 == 7 else 2)
        return 10.8 + 0.6 * (config >> 4 & 7) - (15 - (config & 15))

    def _start_tx(self, start_us: int) -> None:
        if not self._usable():
            return
        power = self.output_power_dbm()
        inverted = self._polarity(not self.lora[0x33] & 1)
        base = self.lora[0x0E]
        self._tx = Frame(
            start_us=start_us + _START_TX_US,
            freq_hz=self.freq_hz,
            sf=self.sf,
            bw_khz=self.bw_khz,
            payload=bytes(self.fifo[base + i & 0xFF] for i in range(self.lora[0x22])),
            power_dbm=power,
            inverted=inverted if power > -60 else None,
            sync_word=self.sync_word,
            crc=bool(self.lora[0x1E] & 4),
            preamble=self.lora[0x20] << 8 | self.lora[0x21],
            coding_rate=self.lora[0x1D] >> 1 & 7,
            ldro=self.ldro,
            sender=self,
        )
        self.channel.transmit(self._tx)

    def _start_rx(self, start_us: int) -> None:
        if not self._usable():
            return
        if self.lora[0x31] & 0x80 and self.bw_khz < 500:
            self.spurious_receptions += 1
        tuning = Tuning(
            self.freq_hz,
            self.sf,
            self.bw_khz,
            self._polarity(bool(self.lora[0x33] & 0x40)),
            self.sync_word,
            self.ldro,
        )
        self._rx = Reception(
            tuning=tuning,
            open_us=start_us + _START_RX_US,
            symbol_us=airtime.symbol_us(self.sf, self.bw_khz),
            detect_symbols=_SYMBOLS_TO_DETECT,
            timer_us=None,
            timer_stops_on_preamble=False,
            symbol_timeout=(self.lora[0x1E] & 3) << 8 | self.lora[0x1F],
        )

    def _start_cad(self, start_us: int) -> None:
        if self._usable():
            self._cad_until_us = start_us + 2 * airtime.symbol_us(self.sf, self.bw_khz)
