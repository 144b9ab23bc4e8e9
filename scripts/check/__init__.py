"""Checks of the software and the shipped weights that are too long or too rare for the tests."""
