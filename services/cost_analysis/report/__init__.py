"""The cost analysis as a document with charts, built from the model's values. Pure: equal inputs give equal bytes."""
