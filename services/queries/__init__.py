"""Questions to the lake: guarded, predicted, answered."""
