"""LoRaWAN 1.0.4 as both ends speak it: frames, keys, MAC commands, EU868, time on air.

    frames       header, data frames, MIC, payload encryption, 32-bit counters
    join, keys   JoinRequest, JoinAccept, session keys
    cflist       extra channels in a JoinAccept
    maccommands  MAC commands, the device's side; netcommands the network's
    eu868        channels, data rates, powers, sub-bands, windows
    airtime      time on air of a frame
    gpstime      what DeviceTimeAns counts in
    cmac, fields what the others are made of

AES comes in from outside: `ecb` is always an object made for one key whose `.encrypt(data)` does
AES-128-ECB over a multiple of 16 bytes (`cryptolib.aes(key, 1)` on the chip, `cryptography` on the
gateway). EUIs and keys are bytes, most significant byte first, as they are printed; addresses,
nonces and counters are integers; the little-endian order of the air is this package's business.
"""
