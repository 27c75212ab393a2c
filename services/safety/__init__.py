"""Safety on a real AWS account: who is asking, what they may do, and what was asked."""
