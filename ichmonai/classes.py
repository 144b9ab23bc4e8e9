"""The class names of the two papers, in the order of the network's outputs."""

ICH_CLASSES = ("normal", "ich")
"""Head 1 of DTViT: index 1 is the positive class."""

LOCATIONS = ("deep", "lobar", "subtentorial")
"""Head 2 of DTViT: location of an intracerebral haemorrhage."""

NOT_APPLICABLE = -1
"""Location label of a slice without haemorrhage."""

RSNA_LABELS = ("any", "epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural")
"""The six labels of the RSNA 2019 Intracranial Hemorrhage Detection challenge."""

KINDS = RSNA_LABELS[1:]
"""The five kinds of haemorrhage, in the order of their head; a pixel of kind i has i + 1 in a mask, 0 where none is."""

UNKNOWN = 255
"""A pixel of a mask of which it is not known what it shows."""
