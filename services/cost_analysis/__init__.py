"""The cost model and the document that it computes."""
