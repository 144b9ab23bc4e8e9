"""The tables and figures of the two papers, trained anew."""
