"""Commands are tried on the bundle and the volumes of the tests of prediction."""

from tests.prediction.conftest import small_bundle, volume

__all__ = ["small_bundle", "volume"]
