"""The gateway: LoRaWAN and MQTT in, quality, store, city platforms and pages out."""
