"""Training of the diffusion model that puts haemorrhages into slices, and what it makes, to look at."""

from ichmonai.diffusion.log import DiffusionLog
from ichmonai.diffusion.patches import RandInpaintingPatchd, hole_loss, prepare_patches
from ichmonai.diffusion.samples import write_samples

__all__ = ["DiffusionLog", "RandInpaintingPatchd", "hole_loss", "prepare_patches", "write_samples"]
