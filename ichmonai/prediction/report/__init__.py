"""The answers as pages for a reader."""
