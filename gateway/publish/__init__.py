"""City platforms: one folder each, each with its own durable position."""
