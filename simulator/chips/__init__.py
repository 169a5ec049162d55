"""Register-level models, one file a chip, set in physical units."""
