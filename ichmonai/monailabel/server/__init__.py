"""What runs inside MONAI Label's environment; nothing else of the package imports it."""
