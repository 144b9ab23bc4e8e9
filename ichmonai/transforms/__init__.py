"""HU to network input: array and dictionary transforms that act in the plane of the slices."""

from ichmonai.transforms.average_thin_slices import AverageThinSlices, AverageThinSlicesd
from ichmonai.transforms.bleeding import propose_bleeding
from ichmonai.transforms.bleeding_bank import Bleeding, bleeding_bank
from ichmonai.transforms.center_crop_in_plane import CenterCropInPlane, CenterCropInPlaned
from ichmonai.transforms.check_head_ct import CheckHeadCT, CheckHeadCTd
from ichmonai.transforms.cover_brain import RandCoverBrain, RandCoverBraind
from ichmonai.transforms.crop_to_head import CropToHead, CropToHeadd
from ichmonai.transforms.draw_bleeding import RandDrawBleeding, RandDrawBleedingd
from ichmonai.transforms.draw_calcification import RandDrawCalcification, RandDrawCalcificationd
from ichmonai.transforms.erase_bleeding import RandEraseBleeding, RandEraseBleedingd
from ichmonai.transforms.keep_brain_slices import KeepBrainSlices, KeepBrainSlicesd
from ichmonai.transforms.neighbouring_slices import LoadNeighbouringSlicesd, SlicesToChannels, SlicesToChannelsd
from ichmonai.transforms.normalize_image_net import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    NormalizeImageNet,
    NormalizeImageNetd,
)
from ichmonai.transforms.rand_noise_hu import RandNoiseHU, RandNoiseHUd
from ichmonai.transforms.rand_rotate_in_plane import RandRotateInPlane, RandRotateInPlaned
from ichmonai.transforms.rand_sharpness import RandSharpness, RandSharpnessd
from ichmonai.transforms.rand_window_hu import RandWindowHU, RandWindowHUd
from ichmonai.transforms.remove_head_holder import RemoveHeadHolder, RemoveHeadHolderd
from ichmonai.transforms.remove_head_holder_as_published import (
    RemoveHeadHolderAsPublished,
    RemoveHeadHolderAsPublishedd,
)
from ichmonai.transforms.resize_in_plane import ResizeInPlane, ResizeInPlaned
from ichmonai.transforms.transplant_bleeding import RandTransplantBleeding, RandTransplantBleedingd
from ichmonai.transforms.window_hu import DTVIT_WINDOWS, RSNA_WINDOWS, WindowHU, WindowHUd

__all__ = [
    "DTVIT_WINDOWS",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "RSNA_WINDOWS",
    "AverageThinSlices",
    "AverageThinSlicesd",
    "Bleeding",
    "CenterCropInPlane",
    "CenterCropInPlaned",
    "CheckHeadCT",
    "CheckHeadCTd",
    "CropToHead",
    "CropToHeadd",
    "KeepBrainSlices",
    "KeepBrainSlicesd",
    "LoadNeighbouringSlicesd",
    "NormalizeImageNet",
    "NormalizeImageNetd",
    "RandCoverBrain",
    "RandCoverBraind",
    "RandDrawBleeding",
    "RandDrawBleedingd",
    "RandDrawCalcification",
    "RandDrawCalcificationd",
    "RandEraseBleeding",
    "RandEraseBleedingd",
    "RandNoiseHU",
    "RandNoiseHUd",
    "RandRotateInPlane",
    "RandRotateInPlaned",
    "RandSharpness",
    "RandSharpnessd",
    "RandTransplantBleeding",
    "RandTransplantBleedingd",
    "RandWindowHU",
    "RandWindowHUd",
    "RemoveHeadHolder",
    "RemoveHeadHolderAsPublished",
    "RemoveHeadHolderAsPublishedd",
    "RemoveHeadHolderd",
    "ResizeInPlane",
    "ResizeInPlaned",
    "SlicesToChannels",
    "SlicesToChannelsd",
    "WindowHU",
    "WindowHUd",
    "bleeding_bank",
    "propose_bleeding",
]
