"""What a run costs, and what a strategy would."""
