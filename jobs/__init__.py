"""One-shot jobs: each module reads as its own summary."""
