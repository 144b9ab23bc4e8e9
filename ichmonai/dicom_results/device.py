"""What made the objects: the software with its weights, as one device."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ichmonai import __version__
from ichmonai.prediction.report.templates import Templates, read_templates
from ichmonai.prediction.report.words import thresholds

MANUFACTURER = "ichmonai"
_NAMESPACE = uuid.UUID("5b0b9b1c-6d5c-5f52-9a7c-6a1f1f0d7c55")


@dataclass(frozen=True)
class Device:
    """The software with its weights and settings.

    Attributes:
        weights: SHA-256 of the network's weights.
        config: SHA-256 of all else that decides the results.
        threshold: probability above which a study is positive.
        negative_up_to: the probability up to which it is negative, where the answer is one of three.
        templates: the sentences of the report in words.

    Example:
        >>> Device("ab12", "cd34", 0.5).uid("1.2.3", "report")[:5]
        '2.25.'
    """

    weights: str
    config: str
    threshold: float
    negative_up_to: float | None = None
    templates: Templates = field(default_factory=read_templates)

    @classmethod
    def of(cls, identity: Mapping[str, Any], templates: Templates | None = None) -> "Device":
        """The device of a run, by what its journal says decides the results."""
        known = identity["weights_sha256"], identity["config_sha256"], *thresholds(identity)
        return cls(*known, templates or read_templates())

    def uid(self, *what: str) -> str:
        """A UID that is the same whenever the same device makes the same thing (PS3.5 B.2).

        Args:
            what: texts that say which thing, its inputs among them.
        """
        of_self = (__version__, self.weights, self.config, str(self.threshold), self.templates.sha256)
        return named_uid(*of_self, *what)

    @property
    def equipment(self) -> dict[str, Any]:
        """Arguments of highdicom's classes that say what made an object."""
        return {
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": "ichmonai",
            "software_versions": __version__,
            "device_serial_number": self.weights[:16],
        }

    @property
    def parameters(self) -> list[str]:
        """What of it decides the results, in words."""
        return [
            f"weights SHA-256 {self.weights}",
            f"config SHA-256 {self.config}",
            f"threshold {self.threshold:g}: a study is positive whose probability is above it",
        ]


def named_uid(*what: str) -> str:
    """A UID that is the same for the same texts (PS3.5 B.2)."""
    named = "\n".join(what)
    return f"2.25.{uuid.uuid5(_NAMESPACE, named).int}"
