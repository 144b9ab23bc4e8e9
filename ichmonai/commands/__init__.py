"""The commands of `ichmonai`, a module each.

They import what they need when they run: MONAI alone takes seconds, and `ichmonai --help` should not wait for it.
"""
