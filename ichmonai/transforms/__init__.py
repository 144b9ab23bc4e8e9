"""HU to network input: array and dictionary transforms that act in the plane of the slices."""

from ichmonai.transforms.anatomy.bleeding import propose_bleeding
from ichmonai.transforms.augmentation.rand_compress_hu import RandCompressHU, RandCompressHUd
from ichmonai.transforms.augmentation.rand_noise_hu import RandNoiseHU, RandNoiseHUd
from ichmonai.transforms.augmentation.rand_rotate_in_plane import RandRotateInPlane, RandRotateInPlaned
from ichmonai.transforms.augmentation.rand_sharpness import RandSharpness, RandSharpnessd
from ichmonai.transforms.augmentation.rand_window_hu import RandWindowHU, RandWindowHUd
from ichmonai.transforms.chain.average_thin_slices import AverageThinSlices, AverageThinSlicesd
from ichmonai.transforms.chain.center_crop_in_plane import CenterCropInPlane, CenterCropInPlaned
from ichmonai.transforms.chain.check_head_ct import CheckHeadCT, CheckHeadCTd
from ichmonai.transforms.chain.crop_to_head import CropToHead, CropToHeadd
from ichmonai.transforms.chain.keep_brain_slices import KeepBrainSlices, KeepBrainSlicesd
from ichmonai.transforms.chain.neighbouring_slices import LoadNeighbouringSlicesd, SlicesToChannels, SlicesToChannelsd
from ichmonai.transforms.chain.normalize_image_net import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    NormalizeImageNet,
    NormalizeImageNetd,
)
from ichmonai.transforms.chain.remove_head_holder import RemoveHeadHolder, RemoveHeadHolderd
from ichmonai.transforms.chain.remove_head_holder_as_published import (
    RemoveHeadHolderAsPublished,
    RemoveHeadHolderAsPublishedd,
)
from ichmonai.transforms.chain.resize_in_plane import ResizeInPlane, ResizeInPlaned
from ichmonai.transforms.chain.window_hu import DTVIT_WINDOWS, RSNA_WINDOWS, WindowHU, WindowHUd
from ichmonai.transforms.counterfactual.add_streaks import RandAddStreaks, RandAddStreaksd
from ichmonai.transforms.counterfactual.bleeding import Bleeding, Layer
from ichmonai.transforms.counterfactual.bleeding_bank import bleeding_bank
from ichmonai.transforms.counterfactual.cover_brain import RandCoverBrain, RandCoverBraind
from ichmonai.transforms.counterfactual.diffuse_bleeding import RandDiffuseBleeding, RandDiffuseBleedingd
from ichmonai.transforms.counterfactual.draw_bleeding import RandDrawBleeding, RandDrawBleedingd
from ichmonai.transforms.counterfactual.draw_calcification import RandDrawCalcification, RandDrawCalcificationd
from ichmonai.transforms.counterfactual.draw_dura import RandDrawDura, RandDrawDurad
from ichmonai.transforms.counterfactual.draw_infarct import RandDrawInfarct, RandDrawInfarctd
from ichmonai.transforms.counterfactual.draw_partial_bone import RandDrawPartialBone, RandDrawPartialBoned
from ichmonai.transforms.counterfactual.draw_skull_base import RandDrawSkullBase, RandDrawSkullBased
from ichmonai.transforms.counterfactual.erase_bleeding import RandEraseBleeding, RandEraseBleedingd
from ichmonai.transforms.counterfactual.transplant_bleeding import RandTransplantBleeding, RandTransplantBleedingd

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
    "Layer",
    "LoadNeighbouringSlicesd",
    "NormalizeImageNet",
    "NormalizeImageNetd",
    "RandAddStreaks",
    "RandAddStreaksd",
    "RandCompressHU",
    "RandCompressHUd",
    "RandCoverBrain",
    "RandCoverBraind",
    "RandDiffuseBleeding",
    "RandDiffuseBleedingd",
    "RandDrawBleeding",
    "RandDrawBleedingd",
    "RandDrawCalcification",
    "RandDrawCalcificationd",
    "RandDrawDura",
    "RandDrawDurad",
    "RandDrawInfarct",
    "RandDrawInfarctd",
    "RandDrawPartialBone",
    "RandDrawPartialBoned",
    "RandDrawSkullBase",
    "RandDrawSkullBased",
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
