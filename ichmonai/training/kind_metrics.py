"""How well kinds and masks are found, as an Ignite metric."""

from typing import Any

import torch
from ignite.engine import Engine
from ignite.metrics import Metric
from monai.metrics import compute_roc_auc
from monai.utils.enums import CommonKeys
from torch import Tensor

from ichmonai.classes import KINDS, UNKNOWN
from ichmonai.ranks import all_gathered


class KindMetrics(Metric):
    """AUC of each kind over the slices of which it is known, and Dice of each kind over the pixels that are known.

    A Dice pools the pixels of all slices, so that those without the kind count by their false alarms. All are written
    to `engine.state.metrics`: `auc_epidural` and so on, `dice_epidural`, and `mean_dice`, the mean over the kinds that
    any slice shows; nan where there is nothing to compute it from. The metric's own value is `mean_dice`.

    Args:
        prefix: of the names in `engine.state.metrics`.
    """

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        super().__init__(output_transform=lambda output: (output,))  # Ignite takes dictionaries apart

    def reset(self) -> None:
        """Forget the last epoch."""
        self.logits: list[Tensor] = []
        self.kinds: list[Tensor] = []
        self.sums = torch.zeros(3, len(KINDS), dtype=torch.float64)
        """Pixels that are both, that are found, that are there."""

    def update(self, output: tuple[dict[str, Any]]) -> None:
        """Add a batch: logits and those of the mask, and the dictionary of targets."""
        pred, targets = output[0][CommonKeys.PRED], output[0][CommonKeys.LABEL]
        if not isinstance(pred, tuple | list) or "kinds" not in targets:
            return
        self.logits.append(pred[0][:, -len(KINDS) :].detach().float().cpu())
        self.kinds.append(targets["kinds"].cpu())
        truth = targets["mask"][:, 0].long()
        found = pred[1].detach().argmax(1).masked_fill(truth == UNKNOWN, 0)
        for index in range(len(KINDS)):
            is_found, is_there = found == index + 1, truth == index + 1
            parts = [(is_found & is_there).sum(), is_found.sum(), is_there.sum()]
            self.sums[:, index] += torch.stack(parts).cpu()

    def compute(self) -> dict[str, float]:
        """All of them by name."""
        sums = torch.stack(all_gathered(self.sums)).sum(0)
        nothing = torch.zeros(0, len(KINDS))
        logits = torch.cat(all_gathered(torch.cat([nothing, *self.logits])))
        kinds = torch.cat(all_gathered(torch.cat([nothing, *self.kinds])))
        metrics: dict[str, float] = {}
        for index, kind in enumerate(KINDS):
            known = ~kinds[:, index].isnan()
            truth = kinds[known, index]
            both = len(truth.unique()) == 2
            metrics[f"auc_{kind}"] = (
                float(torch.as_tensor(compute_roc_auc(logits[known, index], truth))) if both else torch.nan
            )
            common, found, there = sums[:, index].tolist()
            metrics[f"dice_{kind}"] = 2 * common / (found + there) if there else torch.nan
        dice = torch.tensor([metrics[f"dice_{kind}"] for kind in KINDS])
        metrics["mean_dice"] = float(dice.nanmean())
        return metrics

    def completed(self, engine: Engine, name: str) -> None:
        """Write all to `engine.state.metrics`."""
        metrics = self.compute()
        engine.state.metrics.update({f"{self.prefix}{metric}": value for metric, value in metrics.items()})
