"""Built-in LoRaWAN network server for a street with no other."""
