"""One file a chip. The bus and the clock are passed in; nothing here imports machine."""
