"""Commands are tried on the bundle and the volumes of the tests of prediction."""

from tests.prediction.conftest import marking_bundle, small_bundle, volume

__all__ = ["marking_bundle", "small_bundle", "volume"]
