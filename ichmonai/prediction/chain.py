"""The chain of a study: that of a slice in training, and what a study needs besides."""

from collections.abc import Sequence

from monai.transforms.compose import Compose
from monai.transforms.transform import Transform

from ichmonai.clinical import AddClinicald, ClinicalTable
from ichmonai.model_description import ModelDescription
from ichmonai.transforms import RemoveHeadHolderd


def inference_chain(
    intake: Sequence[Transform],
    description: ModelDescription,
    brain: Sequence[Transform] = (),
    clinical: ClinicalTable | None = None,
) -> Compose:
    """What every study passes before the network.

    Args:
        intake: from an item with `image` locations to HU that are worth looking at.
        description: what the network's training did to each slice from there on.
        brain: leaves slices out that show no brain; it stands behind the removal of the head holder, with which it
            looks for the head once, and before anything is cropped or windowed.
        clinical: data of the studies beside their images; None: the images alone.

    Returns:
        From an item with `image` locations to one with the network's input, (C, H, W) or (C, H, W, S).
    """
    chain = description.transforms()
    holder = next((i + 1 for i, one in enumerate(chain) if isinstance(one, RemoveHeadHolderd)), 0)
    beside = [] if clinical is None else [AddClinicald(clinical)]
    return Compose([*intake, *chain[:holder], *brain, *chain[holder:], *beside])


def clinical_table(chain: Compose) -> ClinicalTable | None:
    """The clinical data that a chain adds; None where it adds none."""
    return next((one.table for one in chain.transforms if isinstance(one, AddClinicald)), None)
