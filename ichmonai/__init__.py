"""Find intracerebral haemorrhage on head CT and say where it is.

`predict("scan.nii.gz")` answers for a study; a `Predictor` loads the network once for many.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ichmonai.prediction.predictor import Predictor, predict
    from ichmonai.prediction.study_answer import SliceAnswer, StudyAnswer

__version__ = "0.4.0"

__all__ = ["Predictor", "SliceAnswer", "StudyAnswer", "__version__", "predict"]


def __getattr__(name: str) -> Any:
    """Import what predicts when it is first used: the command line must not wait for MONAI."""
    if name in __all__:
        from ichmonai.prediction import predictor, study_answer

        return getattr(study_answer if name.endswith("Answer") else predictor, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
