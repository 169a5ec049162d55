"""Radios (PHY) and the LoRaWAN Class A MAC over any of them; MQTT for nodes on Wi-Fi."""
