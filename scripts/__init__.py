"""Run by those who develop, not by users: from the root, as `python -m scripts.bench.predict --out FILE`."""
