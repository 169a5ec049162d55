"""Stands in for the hardware: chips, boards, radio channel and city; the real firmware runs on them."""
