"""Ways in: one small folder each, all ending in an Uplink."""
