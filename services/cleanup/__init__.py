"""Everything that was made, taken away again, with a proof."""
