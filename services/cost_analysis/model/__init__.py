"""The cost model: what three backup strategies and the lake cost, from prices, measurements and assumptions. Pure."""
