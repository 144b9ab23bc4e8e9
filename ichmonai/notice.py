"""What every result says of itself."""

NOTICE = "Research software; not for clinical use."
"""Stands in every JSON record, report and figure; tables of numbers have no place for it, and a record beside them."""
