"""The experiments behind the two papers' tables and figures, run through the bundle's own training and evaluation."""
