"""Watches after deployment whether scans and answers are still like those of the evaluation."""
