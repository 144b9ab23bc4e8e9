"""Losses, samplers and Ignite handlers for training."""

from ichmonai.training.checkpoints import Checkpoints
from ichmonai.training.epoch_log import EpochLog, draw_heads
from ichmonai.training.handlers import ClipGradient, EpochSeed, run_trainer
from ichmonai.training.head_metrics import HeadMetrics
from ichmonai.training.kind_metrics import KindMetrics
from ichmonai.training.learning_rate import CosineLearningRate, freeze, parameter_groups
from ichmonai.training.losses import DualTaskLoss
from ichmonai.training.mixed_loss import MixedLoss, prepare_labels, prepare_targets
from ichmonai.training.multilabel_log import draw_labels
from ichmonai.training.multilabel_loss import MultiLabelLogLoss
from ichmonai.training.multilabel_metrics import MultiLabelMetrics
from ichmonai.training.sampler import EpochSampler, ShardSampler

__all__ = [
    "Checkpoints",
    "ClipGradient",
    "CosineLearningRate",
    "DualTaskLoss",
    "EpochLog",
    "EpochSampler",
    "EpochSeed",
    "HeadMetrics",
    "KindMetrics",
    "MixedLoss",
    "MultiLabelLogLoss",
    "MultiLabelMetrics",
    "ShardSampler",
    "draw_heads",
    "draw_labels",
    "freeze",
    "parameter_groups",
    "prepare_labels",
    "prepare_targets",
    "run_trainer",
]
