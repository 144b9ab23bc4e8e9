"""From HU to network input; array and dictionary pairs that take one slice or a volume."""
