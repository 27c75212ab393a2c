"""Shoreline against what people would use instead: one module per room, the harness, and the peers' scripts."""
