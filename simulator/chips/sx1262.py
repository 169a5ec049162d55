"""Semtech SX1262 at register level (SX1261/2 datasheet rev 2.1): what the host sees on its wires.

`transfer` is one NSS-low transaction; wires are "busy" and "dio1" (driven by the chip) and "reset"
(driven by the host). The air is a `Channel`. Nothing ticks the model: each call advances it.

What the model is strict about, because real chips are:

- A command that arrives while BUSY is high is lost (counted in `lost_commands`).
- Sleep forgets. A warm sleep keeps the calibration; of the rest it keeps nothing unless
  `warm_keeps_configuration` is set, and even then the buffer, the registers of the errata, the
  receiver gain and the supplies of TCXO and antenna switch are lost (datasheet 9.3, 9.6, 15.2;
  reports against RadioLib, number 1806, and lora-rs, number 479).
- Without its TCXO switched on by DIO3 nothing is sent or heard; without the antenna switch neither.
- The IQ polarity needs packet parameter and register 0x0736 bit 2 to agree (15.4).
- A damaged frame with CRC raises CRC_ERR together with RX_DONE.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from simulator.channel.frame import Channel, Frame
from simulator.chips.sx1262_radio import Configuration, Reception, output_power_dbm

TX_DONE, RX_DONE, PREAMBLE, HEADER_VALID = 0x0001, 0x0002, 0x0004, 0x0010
CRC_ERROR, TIMEOUT = 0x0040, 0x0200

XOSC_START_ERROR, PLL_CALIBRATION_ERROR, IMAGE_CALIBRATION_ERROR = 0x20, 0x04, 0x10

COLD_WAKE_US, WARM_WAKE_US = 3500, 340  # datasheet table 8-4
CALIBRATION_US, IMAGE_CALIBRATION_US = 3500, 7000
_TO_XOSC_US, _TO_TX_US, _TO_RX_US, _COMMAND_US = 31, 105, 62, 2
_SYMBOLS_TO_DETECT = 5
_SYMBOLS_TO_HEADER = 20  # 8 of preamble, 4.25 of sync, 8 of header

_Handler = Callable[[bytes, bytearray, int], None]


class Mode(IntEnum):
    """Chip modes as GetStatus reports them (table 13-76); sleep cannot be read."""

    SLEEP = 0
    STANDBY_RC = 2
    STANDBY_XOSC = 3
    FS = 4
    RX = 5
    TX = 6


class Sx1262:
    """One chip on its board; `now_us` is the world's clock."""

    def __init__(
        self,
        channel: Channel,
        *,
        needs_tcxo: bool = True,
        tcxo_start_us: int = 2000,
        needs_rf_switch: bool = True,
        warm_keeps_configuration: bool = False,
        name: str = "sx1262",
    ) -> None:
        self.channel = channel
        self.needs_tcxo = needs_tcxo
        self.tcxo_start_us = tcxo_start_us
        self.needs_rf_switch = needs_rf_switch
        self.warm_keeps_configuration = warm_keeps_configuration
        self.name = name
        self.lost_commands = 0
        self.rejected_commands = 0
        self.mode = Mode.STANDBY_RC
        self.config = Configuration()
        self.errors = 0
        self.irq = 0
        self.calibrated_image = False
        self._status = 1
        self._busy_until_us = 0
        self._held_in_reset = False
        self._warm = False
        self._tx: Frame | None = None
        self._rx: Reception | None = None
        self._received = (0, 0)
        self._packet_status = (0, 0)
        # opcode: (fewest parameter bytes, handler); opcodes of datasheet tables 11-1 to 11-5.
        self._commands: dict[int, tuple[int, _Handler]] = {
            0x84: (1, self._set_sleep),
            0x80: (1, self._set_standby),
            0xC1: (0, self._set_fs),
            0x83: (3, self._set_tx),
            0x82: (3, self._set_rx),
            0x89: (1, self._calibrate),
            0x98: (2, self._calibrate_image),
            0x0D: (3, self._write_register),
            0x1D: (3, self._read_register),
            0x0E: (2, self._write_buffer),
            0x1E: (2, self._read_buffer),
            0x02: (2, self._clear_irq),
            0x12: (1, self._get_irq),
            0x17: (1, self._get_errors),
            0x07: (2, self._clear_errors),
            0x13: (1, self._get_rx_buffer_status),
            0x14: (1, self._get_packet_status),
            0x11: (1, self._get_packet_type),
            0xC0: (0, self._get_status),
            0x9F: (1, self._configure),
            0x96: (1, self._configure),
            0x95: (4, self._configure),
            0x93: (1, self._configure),
            0x08: (8, self._configure),
            0x9D: (1, self._configure),
            0x97: (4, self._configure),
            0x86: (4, self._configure),
            0x8A: (1, self._configure),
            0x8E: (2, self._configure),
            0x8B: (4, self._configure),
            0x8C: (6, self._configure),
            0x8F: (2, self._configure),
            0xA0: (1, self._configure),
        }
        self._power_on(0)

    # -- wires -------------------------------------------------------------------------------

    def pin(self, name: str, now_us: int) -> int:
        """Return the level of "busy" or "dio1"."""
        self._advance(now_us)
        if name == "busy":
            return int(self._held_in_reset or self.mode is Mode.SLEEP or now_us < self._busy_until_us)
        if name == "dio1":
            return int(bool(self.irq & self.config.irq_mask & self.config.dio1_mask))
        raise KeyError(f"an SX1262 drives busy and dio1, not {name}")

    def set_pin(self, name: str, value: int, now_us: int) -> None:
        """Take a level of "reset" (active low)."""
        if name != "reset":
            raise KeyError(f"an SX1262 has the input reset, not {name}")
        self._advance(now_us)
        if not value:
            self._stop_air(now_us)
            self._held_in_reset = True
        elif self._held_in_reset:
            self._held_in_reset = False
            self._power_on(now_us)

    def next_change_us(self, name: str, now_us: int) -> int | None:
        """Return when "busy" or "dio1" will change next, as far as known now."""
        self._advance(now_us)
        if name == "busy":
            asleep = self.mode is Mode.SLEEP
            return self._busy_until_us if self._busy_until_us > now_us and not asleep else None
        if self._tx is not None:
            return self._tx.end_us
        if self._rx is not None:
            return self._rx.next_event_us(self.channel, self)
        return None

    def on_air(self, mosi: bytes = b"") -> bool:
        """Tell whether the channel has a part in what this transaction does, or in the pins' levels."""
        return self._tx is not None or self._rx is not None or mosi[:1] in (b"\x82", b"\x83")

    @property
    def deaf_us(self) -> int:
        """How long a frame that nobody has begun yet cannot change the pins: its preamble and header."""
        return self._rx.symbol_us * _SYMBOLS_TO_HEADER if self._rx is not None else 1 << 62

    def transfer(self, mosi: bytes, now_us: int) -> bytes:
        """Run one SPI transaction; the returned bytes are what MISO carried."""
        self._advance(now_us)
        if self._held_in_reset or not mosi:
            return bytes(len(mosi))
        if self.mode is Mode.SLEEP:
            self._wake(now_us)
            return bytes(len(mosi))
        if now_us < self._busy_until_us:
            self.lost_commands += 1
            return bytes(len(mosi))
        status = self.mode << 4 | self._status << 1
        miso = bytearray([status] * len(mosi))
        handler = self._commands.get(mosi[0])
        if handler is None or len(mosi) < 1 + handler[0]:
            self.rejected_commands += 1
            self._status = 4
            return bytes(miso)
        self._busy_until_us = now_us + _COMMAND_US
        handler[1](mosi, miso, now_us)
        return bytes(miso)

    # -- life --------------------------------------------------------------------------------

    def _power_on(self, now_us: int) -> None:
        self.mode = Mode.STANDBY_RC
        self.config = Configuration()
        self.irq = 0
        self._status = 1
        self.calibrated_image = False
        self.errors = XOSC_START_ERROR if self.needs_tcxo else 0
        self._busy_until_us = now_us + COLD_WAKE_US

    def _wake(self, now_us: int) -> None:
        self.mode = Mode.STANDBY_RC
        if self._warm:
            self._busy_until_us = now_us + WARM_WAKE_US
        else:
            self._power_on(now_us)

    def _advance(self, now_us: int) -> None:
        """Let everything happen that is due by now."""
        if self._tx is not None and now_us >= self._tx.end_us:
            self._tx = None
            self.irq |= TX_DONE
            self._status = 6
            self.mode = Mode.STANDBY_RC
        reception = self._rx
        if reception is None:
            return
        reception.advance(self.channel, self, now_us)
        if reception.frame is not None:
            if now_us >= reception.detected_us:
                self.irq |= PREAMBLE
            if now_us >= reception.frame.header_us and not reception.cut_before_header:
                self.irq |= HEADER_VALID
        if reception.timed_out:
            self._leave_rx()
            self.irq |= TIMEOUT
            self._status = 3
        elif reception.done and reception.frame is not None:
            self._leave_rx()
            self._take(reception.frame)

    def _leave_rx(self) -> None:
        self._rx = None
        self.mode = Mode.STANDBY_RC

    def _take(self, frame: Frame) -> None:
        """Put a received frame into the buffer."""
        damaged = frame.damaged or not self.channel.received(frame, self)
        payload = bytes(b ^ 0x5A for b in frame.payload) if damaged else frame.payload
        base = self.config.rx_base
        for i, byte in enumerate(payload):
            self.config.buffer[(base + i) & 0xFF] = byte
        self._received = (len(payload), base)
        rssi, snr = self.channel.link(frame, self)
        self._packet_status = (min(max(round(-2 * rssi), 0), 255), min(max(round(4 * snr), -128), 127) & 0xFF)
        self.irq |= RX_DONE | (CRC_ERROR if damaged and frame.crc else 0)
        self._status = 2

    def _stop_air(self, now_us: int) -> None:
        """Break off what is on the air."""
        if self._tx is not None:
            self._tx.cut(now_us)
            self._tx = None
        self._rx = None

    def _start_oscillator(self, now_us: int) -> bool:
        """Start the 32 MHz clock; BUSY covers its delay. False when it does not start."""
        if self.mode in (Mode.STANDBY_XOSC, Mode.FS, Mode.RX, Mode.TX):
            return True
        if self.needs_tcxo and (
            self.config.tcxo_delay_us is None or self.config.tcxo_delay_us < self.tcxo_start_us
        ):
            self.errors |= XOSC_START_ERROR
            self._busy_until_us = now_us + (self.config.tcxo_delay_us or 0) + 10_000
            self._status = 5
            return False
        self._busy_until_us = now_us + (self.config.tcxo_delay_us or 0) + _TO_XOSC_US
        return True

    # -- commands: (self, mosi, miso, now_us) ------------------------------------------------

    def _set_sleep(self, mosi: bytes, miso: bytearray, now_us: int) -> None:
        self._stop_air(now_us)
        self._warm = bool(mosi[1] & 0x04)
        self.irq = 0
        self.mode = Mode.SLEEP
        if self._warm:
            self.config.after_warm_sleep(keep=self.warm_keeps_configuration)

    def _set_standby(self, mosi: bytes, miso: bytearray, now_us: int) -> None:
        self._stop_air(now_us)
        if mosi[1] == 0:
            self.mode = Mode.STANDBY_RC
        elif self._start_oscillator(now_us):
            self.mode = Mode.STANDBY_XOSC
        self._status = 1 if self._status != 5 else 5

    def _set_fs(self, mosi: bytes, miso: bytearray, now_us: int) -> None:
        self._stop_air(now_us)
        if self._start_oscillator(now_us):
            self.mode = Mode.FS

    def _set_tx(self, mosi: bytes, miso: bytearray, now_us: int) -> None:
        self._stop_air(now_us)
        config = self.config
        if not config.ready() or not self._start_oscillator(now_us):
            self._status = 5
            return
        start = max(self._busy_until_us, now_us) + _TO_TX_US
        self._busy_until_us = start
        tuning = config.tuning()
        power = output_power_dbm(config)
        if self.needs_rf_switch and not config.dio2_rf_switch:
            tuning = None  # the antenna is not connected: nobody hears it
        base, length = config.tx_base, config.payload_length
        self._tx = Frame(
            start_us=start,
            freq_hz=config.freq_hz,
            sf=config.sf,
            bw_khz=config.bw_khz,
            payload=bytes(config.buffer[(base + i) & 0xFF] for i in range(length)),
            power_dbm=power,
            inverted=None if tuning is None else tuning.inverted,
            sync_word=config.sync_word,
            crc=config.crc,
            preamble=config.preamble,
            coding_rate=config.coding_rate,
            ldro=config.ldro,
            sender=self,
        )
        self.mode = Mode.TX
        self.channel.transmit(self._tx)

    def _set_rx(self, mosi: bytes, miso: bytearray, now_us: int) -> None:
        self._stop_air(now_us)
        config = self.config
        if not config.ready_to_listen() or not self._start_oscillator(now_us):
            self._status = 5
            return
        ticks = int.from_bytes(mosi[1:4], "big")
        start = max(self._busy_until_us, now_us) + _TO_RX_US
        self._busy_until_us = start
        tuning = config.tuning() if not self.needs_rf_switch or config.dio2_rf_switch else None
        self._rx = Reception(
            tuning=tuning,
            open_us=start,
            symbol_us=config.symbol_us,
            detect_symbols=_SYMBOLS_TO_DETECT,
            timer_us=ticks * 1000 // 64 if ticks not in (0, 0xFFFFFF) else None,
            timer_stops_on_preamble=config.stop_timer_on_preamble,
            symbol_timeout=config.symbol_timeout if ticks != 0xFFFFFF else 0,
        )
        self.mode = Mode.RX

    def _calibrate(self, mosi: bytes, miso: bytearray, now_us: int) -> None:
        self._busy_until_us = now_us + CALIBRATION_US
        if self.needs_tcxo and self.config.tcxo_delay_us is None:
            self.errors |= XOSC_START_ERROR | PLL_CALIBRATION_ERROR

    def _calibrate_image(self, mosi: bytes, miso: bytearray, now_us: int) -> None:
        self._busy_until_us = now_us + IMAGE_CALIBRATION_US
        if self.needs_tcxo and self.config.tcxo_delay_us is None:
            self.errors |= IMAGE_CALIBRATION_ERROR
        self.calibrated_image = (mosi[1], mosi[2]) == (0xD7, 0xDB)

    def _write_register(self, mosi: bytes, miso: bytearray, now_us: int) -> None:
        address = mosi[1] << 8 | mosi[2]
        for i, value in enumerate(mosi[3:]):
            self.config.registers[address + i] = value

    def _read_register(self, mosi: bytes, miso: bytearray, now_us: int) -> None:
        address = mosi[1] << 8 | mosi[2]
        for i in range(4, len(mosi)):
            miso[i] = self.config.registers.get(address + i - 4, 0)

    def _write_buffer(self, mosi: bytes, miso: bytearray, now_us: int) -> None:
        for i, value in enumerate(mosi[2:]):
            self.config.buffer[(mosi[1] + i) & 0xFF] = value

    def _read_buffer(self, mosi: bytes, miso: bytearray, now_us: int) -> None:
        for i in range(3, len(mosi)):
            miso[i] = self.config.buffer[(mosi[1] + i - 3) & 0xFF]

    def _configure(self, mosi: bytes, miso: bytearray, now_us: int) -> None:
        if not self.config.command(mosi):
            self.rejected_commands += 1
            self._status = 4

    def _clear_irq(self, mosi: bytes, miso: bytearray, now_us: int) -> None:
        self.irq &= ~(mosi[1] << 8 | mosi[2])

    def _get_irq(self, mosi: bytes, miso: bytearray, now_us: int) -> None:
        _answer(miso, self.irq >> 8, self.irq & 0xFF)

    def _get_errors(self, mosi: bytes, miso: bytearray, now_us: int) -> None:
        _answer(miso, self.errors >> 8, self.errors & 0xFF)

    def _clear_errors(self, mosi: bytes, miso: bytearray, now_us: int) -> None:
        self.errors = 0

    def _get_rx_buffer_status(self, mosi: bytes, miso: bytearray, now_us: int) -> None:
        _answer(miso, *self._received)

    def _get_packet_status(self, mosi: bytes, miso: bytearray, now_us: int) -> None:
        _answer(miso, self._packet_status[0], self._packet_status[1], self._packet_status[0])

    def _get_packet_type(self, mosi: bytes, miso: bytearray, now_us: int) -> None:
        _answer(miso, self.config.packet_type)

    def _get_status(self, mosi: bytes, miso: bytearray, now_us: int) -> None:
        """Status is on every byte already."""


def _answer(miso: bytearray, *values: int) -> None:
    """Put answer bytes after opcode and status, as many as the host clocks out."""
    for i, value in enumerate(values, start=2):
        if i < len(miso):
            miso[i] = value
