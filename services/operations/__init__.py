"""Unattended operation: messages, pings, metrics and a scheduler."""
