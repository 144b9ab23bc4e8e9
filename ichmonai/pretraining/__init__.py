"""What MONAI lacks for Scopeformer's second paradigm: photographs restyled towards CT, and classes learnt from them."""

from ichmonai.pretraining.class_metrics import ClassMetrics, draw_classes
from ichmonai.pretraining.cycle import CycleGenerators, CycleLoss, DomainDiscriminators, load_generators
from ichmonai.pretraining.pictures import LoadPictured, PictureWriter, load_class_folders
from ichmonai.pretraining.restyling_log import RestylingLog
from ichmonai.pretraining.skimage_photographs import write_photographs
from ichmonai.pretraining.unpaired import UnpairedDataset

__all__ = [
    "ClassMetrics",
    "CycleGenerators",
    "CycleLoss",
    "DomainDiscriminators",
    "LoadPictured",
    "PictureWriter",
    "RestylingLog",
    "UnpairedDataset",
    "draw_classes",
    "load_class_folders",
    "load_generators",
    "write_photographs",
]
