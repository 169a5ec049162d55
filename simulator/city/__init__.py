"""What the sensors sense: weather, air, noise, bins, from a model or from recordings."""
