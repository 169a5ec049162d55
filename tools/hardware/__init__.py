"""Bills of materials, wiring, pin tables and checks of every node, from hardware/*.toml."""
