"""Find intracerebral haemorrhage on head CT and say where it is."""

__version__ = "0.4.0"
