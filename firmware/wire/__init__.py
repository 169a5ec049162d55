"""Everything that both ends speak: measurement table, record, codec, LoRaWAN. MicroPython subset, integers only."""
