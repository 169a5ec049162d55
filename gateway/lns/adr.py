"""Adaptive data rate, by Semtech's recommended algorithm: spend the link margin on speed, then on power."""

from __future__ import annotations

from collections.abc import Sequence

from wire.lorawan import eu868

NEEDED_UPLINKS = 20
_STEP_DB = 3.0
# SNR that a demodulator needs, SF7..SF12 (Semtech SX1276 datasheet table 13).
_REQUIRED_SNR_DB = {7: -7.5, 8: -10.0, 9: -12.5, 10: -15.0, 11: -17.5, 12: -20.0}


def required_snr_db(spreading_factor: int) -> float:
    """Return the demodulation floor; the SF7 value for smaller spreading factors."""
    return _REQUIRED_SNR_DB.get(spreading_factor, -7.5)


def propose(snr_db: Sequence[float], dr: int, tx_power: int, margin_db: float) -> tuple[int, int] | None:
    """Return the better (data rate, TXPower index), or None when too little is known or all is well.

    snr_db: the best SNR of each of the last uplinks at this data rate. Only ever speeds up or, when
    the margin is gone, raises the power; slowing down is the device's own back-off.
    """
    if len(snr_db) < NEEDED_UPLINKS or not eu868.MIN_DR <= dr <= eu868.MAX_DEFAULT_DR:
        return None
    spreading_factor, _ = eu868.modulation(dr)
    steps = int((max(snr_db) - required_snr_db(spreading_factor) - margin_db) // _STEP_DB)
    new_dr, new_power = dr, tx_power
    while steps > 0 and new_dr < eu868.MAX_DEFAULT_DR:
        new_dr += 1
        steps -= 1
    while steps > 0 and new_power < eu868.MAX_TX_POWER:
        new_power += 1
        steps -= 1
    while steps < 0 and new_power > 0:
        new_power -= 1
        steps += 1
    return None if (new_dr, new_power) == (dr, tx_power) else (new_dr, new_power)
