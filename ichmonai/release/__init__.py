"""The bundle as it is given away: one zip that MONAI runs without this package, or a folder for MONAI's model zoo."""
