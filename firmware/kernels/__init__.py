"""Hot loops in viper, each with a plain twin whose name ends in _ref."""
