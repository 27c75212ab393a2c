"""What an operator needs of a job that runs unwatched: messages, pings, metrics and a schedule."""
