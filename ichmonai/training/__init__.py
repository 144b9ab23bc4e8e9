"""Losses, samplers and Ignite handlers for training."""
