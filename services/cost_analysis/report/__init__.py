"""The cost analysis as a document with charts, made of the model's values. Pure: equal inputs give equal bytes."""
