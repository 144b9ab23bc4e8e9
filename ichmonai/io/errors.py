"""What goes wrong when head CT is read."""


class HeadCTReadError(ValueError):
    """An input is not head CT that can be read; its message is one sentence: what, where, what to do."""
