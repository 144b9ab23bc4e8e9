"""The metrics of RSNA's six labels as one Ignite metric."""

import logging
from collections.abc import Callable, Sequence

from ignite.engine import Engine

from ichmonai.evaluation.multilabel import multilabel_metrics, summary
from ichmonai.ranks import rank
from ichmonai.training.head_metrics import HeadMetrics

logger = logging.getLogger(__name__)


class MultiLabelMetrics(HeadMetrics):
    """Collects logits and labels over an epoch, from all processes, and computes `multilabel_metrics` and the loss.

    All of them are written to `engine.state.metrics`; of an evaluation, which has no prefix, the main ones are logged
    beside the baselines. The one named by `key` is the metric's own value; higher must be better, so a model is
    selected by `log_loss_skill`, which on one split orders models as the log loss does.

    Args:
        key: the metric that selects the best model.
        loss_function: called with all logits and labels of the epoch at once, for the metric `loss`.
        prefix: of the names in `engine.state.metrics`, so that trackers keep training and validation apart.
        prevalence: share of each label in the training split, see `ichmonai.datasets.label_prevalence`.
    """

    def __init__(
        self,
        prevalence: Sequence[float],
        key: str = "log_loss_skill",
        loss_function: Callable | None = None,
        prefix: str = "",
    ) -> None:
        self.prevalence = prevalence
        super().__init__(key, loss_function, prefix)

    def compute(self) -> dict[str, float]:
        """Return all metrics by name, of the slices whose labels are all known; nan where one is not defined."""
        logits, labels = self.gather()
        known = ~labels.isnan().any(dim=1)
        metrics = multilabel_metrics(logits[known].double().sigmoid().numpy(), labels[known].numpy(), self.prevalence)
        if self.loss_function is not None:
            metrics["loss"] = float(self.loss_function(logits, labels))
        return metrics

    def completed(self, engine: Engine, name: str) -> None:
        """Write all metrics to `engine.state.metrics`, and the key metric under `name`."""
        super().completed(engine, name)
        if rank() == 0 and not self.prefix:
            logger.info(summary(engine.state.metrics))
