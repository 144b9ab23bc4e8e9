"""From a volume to slice and study probabilities."""
