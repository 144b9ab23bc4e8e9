"""Disturb `ichmonai predict`, and look at what it leaves."""
