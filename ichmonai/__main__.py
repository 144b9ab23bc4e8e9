"""`python -m ichmonai` is the command `ichmonai`."""

from ichmonai.cli import app

app()
