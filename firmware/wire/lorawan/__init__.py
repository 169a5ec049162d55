"""LoRaWAN 1.0.4 as both ends speak it: frames, keys, MAC commands, EU868, time on air.

AES comes in from outside: `ecb` is always an object made for one key whose `.encrypt(data)` does
AES-128-ECB over a multiple of 16 bytes (`cryptolib.aes(key, 1)` on the chip, `cryptography` on the
gateway). EUIs and keys are bytes, most significant byte first, as they are printed; addresses,
nonces and counters are integers; the little-endian order of the air is this package's business.
"""
