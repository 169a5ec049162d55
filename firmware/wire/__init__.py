"""Everything that both ends speak: measurement table, record, codec, LoRaWAN. Integers only."""
