"""What measured values mean to people: index bands, noise over the day, heat, rain, bins, comparisons.

Pure functions over numbers; nothing here reads a store or knows a language.
"""
