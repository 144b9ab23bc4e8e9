"""The app that MONAI Label runs."""

from pathlib import Path
from typing import Any

from monailabel.interfaces.app import MONAILabelApp
from monailabel.tasks.activelearning.first import First
from monailabel.tasks.activelearning.random import Random

from ichmonai import __version__
from ichmonai.monailabel.folder import MODEL
from ichmonai.monailabel.server.infer import HaemorrhageInfer
from ichmonai.monailabel.server.train import HaemorrhageTraining
from ichmonai.monailabel.server.worklist import IchScoring, Worklist
from ichmonai.monailabel.worklist import SCORE, most_likely_bleeding, most_uncertain
from ichmonai.notice import NOTICE

OVERLAYS = {True: "ich_mask", False: "ich_saliency"}
"""Name of the model whose answer viewers lay over the image, with weights that make masks and without."""


class HaemorrhageApp(MONAILabelApp):
    """Intracerebral haemorrhage: scores, an overlay, training from labels, and the studies in order.

    Args:
        app_dir: the app's folder, with the model in `model/`.
        studies: folder of volumes, or DICOMweb address.
        conf: of the command line.
    """

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        self.model = Path(app_dir, "model", MODEL).resolve()
        super().__init__(
            app_dir,
            studies,
            conf,
            name="ichmonai",
            description=f"Intracerebral haemorrhage on head CT. {NOTICE}",
            version=__version__,
        )

    def init_infers(self) -> dict[str, HaemorrhageInfer]:
        """Scores alone, and scores with an overlay."""
        task = HaemorrhageInfer(self.model)
        return {OVERLAYS[task.makes_masks]: task.with_overlay(), MODEL: task}

    def init_trainers(self) -> dict[str, HaemorrhageTraining]:
        """One, of the model that both share."""
        return {MODEL: HaemorrhageTraining(self.model)}

    def init_strategies(self) -> dict[str, Any]:
        """Worklists, and MONAI Label's own for those who want no order."""
        return {
            "most_likely_bleeding": Worklist("Most likely bleeding first", most_likely_bleeding),
            "most_uncertain": Worklist("Most uncertain first", most_uncertain),
            "first": First(),
            "random": Random(),
        }

    def init_scoring_methods(self) -> dict[str, IchScoring]:
        """What the worklists are ordered by."""
        return {SCORE: IchScoring(self._infers[MODEL])}

    def async_scoring(self, method: str | None, params: dict | None = None) -> Any:
        """Score in the background; MONAI Label asks at the start, after a training and whenever a study is served."""
        if not method and not self._scoring_methods[SCORE].pending(self.datastore()):
            return {}
        return super().async_scoring(method, params)
