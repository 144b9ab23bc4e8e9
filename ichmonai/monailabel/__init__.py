"""MONAI Label: an environment of its own for it, and an app that reads head CT in 3D Slicer and OHIF."""
