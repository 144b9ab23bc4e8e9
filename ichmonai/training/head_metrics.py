"""The metrics of both heads as one Ignite metric."""

from collections.abc import Callable

import torch
import torch.distributed as dist
from ignite.engine import Engine
from ignite.metrics import Metric
from monai.utils.enums import CommonKeys

from ichmonai.classes import NOT_APPLICABLE
from ichmonai.evaluation.metrics import head_metrics
from ichmonai.networks.heads import DUAL_HEADS, softmax_heads
from ichmonai.ranks import is_distributed


class HeadMetrics(Metric):
    """Collects logits and labels over an epoch, from all processes, and computes `head_metrics` and the loss.

    Logits have K = 5 columns, or 6 where the location head has the published code's fourth class; kinds behind them,
    and a mask, do not count (see `KindMetrics`), and neither do slices of which it is unknown whether they bleed.

    All of them are written to `engine.state.metrics`; the one named by `key` is the metric's own value. `location_*`
    are over the slices with a haemorrhage of known location. With `mean_balanced_accuracy`, the mean over the two heads
    (over the one that is defined, where a class is absent), a model is selected for both tasks.

    Args:
        key: the metric that selects the best model.
        loss_function: called with all logits and labels of the epoch at once, for the metric `loss`.
        prefix: of the names in `engine.state.metrics`, so that trackers keep training and validation apart.
    """

    def __init__(
        self, key: str = "mean_balanced_accuracy", loss_function: Callable | None = None, prefix: str = ""
    ) -> None:
        self.key = key
        self.prefix = prefix
        self.loss_function = loss_function
        super().__init__(output_transform=_logits_and_labels)

    def reset(self) -> None:
        """Forget the last epoch."""
        self.logits: list[torch.Tensor] = []
        self.labels: list[torch.Tensor] = []

    def update(self, output: tuple[torch.Tensor, torch.Tensor]) -> None:
        """Add the logits (B, K) and labels (B, 2) of a batch."""
        logits, labels = output
        self.logits.append(torch.as_tensor(logits).detach().float())  # stays on the GPU: a copy would wait for it
        self.labels.append(torch.as_tensor(labels).detach())

    def gather(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (N, K) and labels (N, 2) of the epoch from all processes."""
        mine = (torch.cat(self.logits).cpu(), torch.cat(self.labels).cpu())
        if not is_distributed():
            return mine
        parts: list = [None] * dist.get_world_size()
        dist.all_gather_object(parts, mine)
        return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])

    def compute(self) -> dict[str, float]:
        """Return all metrics by name; nan where a class that one needs is absent."""
        logits, labels = self.gather()
        known = labels[:, 0] != NOT_APPLICABLE
        probabilities = softmax_heads(logits)[known, : sum(DUAL_HEADS.values())]
        metrics = head_metrics(probabilities.numpy(), labels[known].numpy())
        heads = torch.tensor([metrics["ich_balanced_accuracy"], metrics["location_balanced_accuracy"]])
        metrics["mean_balanced_accuracy"] = heads.nanmean().item()
        if self.loss_function is not None:
            metrics["loss"] = float(self.loss_function(logits, labels))
        return metrics

    def completed(self, engine: Engine, name: str) -> None:
        """Write all metrics to `engine.state.metrics`, and the key metric under `name`."""
        metrics = self.compute()
        engine.state.metrics.update({f"{self.prefix}{metric}": value for metric, value in metrics.items()})
        engine.state.metrics[name] = metrics[self.key]


def _logits_and_labels(output: dict | list[dict]) -> tuple[torch.Tensor, torch.Tensor]:
    """From an engine's output as a batch, or decollated, as MONAI's own trackers expect that of a trainer."""
    if isinstance(output, dict):
        pred, label = output[CommonKeys.PRED], output[CommonKeys.LABEL]
        return _first(pred), label["label"] if isinstance(label, dict) else label
    parts = [_logits_and_labels(item) for item in output]
    logits, labels = (torch.stack(part) for part in zip(*parts, strict=True))
    return logits, labels


def _first(pred: torch.Tensor | tuple[torch.Tensor, ...]) -> torch.Tensor:
    """The logits of what may have a mask beside them."""
    return pred[0] if isinstance(pred, tuple | list) else pred
