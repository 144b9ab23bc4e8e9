"""What goes wrong when head CT is read."""

from ichmonai.errors import InputError


class HeadCTReadError(InputError):
    """An input is not head CT that can be read."""
