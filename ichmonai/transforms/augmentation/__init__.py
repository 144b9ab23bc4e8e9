"""Random changes of a slice that keep what it shows."""
