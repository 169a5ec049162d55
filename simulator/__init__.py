"""Stands in for the hardware: chips, boards, radio channel and city, with the real firmware running on them."""
