"""MONAI Label looks for an app in the main.py of the folder that it is started with."""

from ichmonai.monailabel.server.app import HaemorrhageApp

__all__ = ["HaemorrhageApp"]
