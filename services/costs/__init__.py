"""What AWS is asked for, what that costs, and what the alternatives would."""
