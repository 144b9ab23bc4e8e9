"""Metrics and their figures."""
