"""What `scripts/check/ablate_light.py` compares, and the sets that it judges by."""
