"""Scores of all studies, and the strategies that serve them in order."""

import logging
from typing import Any

from fastapi import HTTPException
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy

from ichmonai.monailabel.server.infer import HaemorrhageInfer
from ichmonai.monailabel.worklist import SCORE, Rank, next_study

logger = logging.getLogger(__name__)


class IchScoring(ScoringMethod):
    """Predicts every study that nobody has labelled and keeps the result in MONAI Label's record of the image.

    Args:
        task: what predicts.
    """

    def __init__(self, task: HaemorrhageInfer) -> None:
        super().__init__("Probability of a haemorrhage, of every study without a label")
        self.task = task

    def pending(self, datastore: Datastore) -> list[str]:
        """The studies without a score of the weights in use."""
        _, weights = self.task.weights()
        return [
            name
            for name in sorted(datastore.get_unlabeled_images())
            if datastore.get_image_info(name).get(SCORE, {}).get("weights") != weights
        ]

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Score what has no score of these weights; a study that cannot be predicted gets the reason."""
        (_, weights), pending = self.task.weights(), self.pending(datastore)
        for name in pending:
            try:
                _, answer = self.task({"image": datastore.get_image_uri(name), "device": request.get("device")})
                score = {key: answer["study"][key] for key in ("outcome", "p_ich", "location")}
            except HTTPException as error:
                score = {"outcome": "no_prediction", "reason": error.detail}
            datastore.refresh()  # another process may have written meanwhile
            datastore.update_image_info(name, {SCORE: {**score, "weights": weights}})
        logger.info("%d studies scored.", len(pending))
        return {"scored": len(pending)}


class Worklist(Strategy):
    """Serves the studies that nobody has labelled in the order of their scores.

    Args:
        description: what viewers show.
        rank: order.
    """

    def __init__(self, description: str, rank: Rank) -> None:
        super().__init__(description)
        self.rank = rank

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any] | None:
        """The next study, with its score."""
        datastore.refresh()
        infos = {name: datastore.get_image_info(name) for name in datastore.get_unlabeled_images()}
        name = next_study(infos, request["strategy"], self.rank)
        return None if name is None else {"id": name, "score": infos[name].get(SCORE) or {}}
