"""Does a network give the same answers on another runtime?"""

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from ichmonai.runtimes.sessions import Outputs, Run

TOLERANCE = 1e-3
"""Largest difference of a logit from torch's in fp32."""

COUNT = 8
"""Slices that are compared."""

_PATIENCE = 2.0  # seconds for eight slices after which a network is timed only once


@dataclass(frozen=True)
class Trial:
    """How a runtime did on the drawn slices.

    Attributes:
        largest_difference: of a logit from torch fp32.
        decisions_equal: the class of each head, or the sign of each label, is that of torch fp32 on every slice.
        slices_per_second: on this computer, at batch 8.
    """

    largest_difference: float
    decisions_equal: bool
    slices_per_second: float

    def problem(self, precision: str) -> str:
        """Why it does not pass; empty where it does. An int8 model has passed on real slices when it was made."""
        if precision == "fp32" and not self.largest_difference <= TOLERANCE:
            return (
                f"logits differ from torch fp32 by {self.largest_difference:.1e}, and at most {TOLERANCE:g} is allowed"
            )
        return "" if self.decisions_equal or precision == "int8" else "decisions differ from torch fp32"


def drawn_slices(channels: int, size: int, count: int = COUNT) -> Tensor:
    """Slices (count, channels, size, size) for the check, always the same: heads with a skull, most with a bleeding.

    Values are about those of normalised input, -2 to 2; what matters is that neither network saturates.
    """
    generator = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
    slices = []
    for index in range(count):
        half_width, half_height, u, v, radius = (torch.rand(5, generator=generator) * 0.3).tolist()
        around = ((x / (0.55 + half_width)) ** 2 + (y / (0.65 + half_height)) ** 2).sqrt()
        head = torch.full_like(x, -1.8)
        head[around < 1] = 2.0
        head[around < 0.9] = -0.4
        head[(x - 2 * u + 0.3) ** 2 + (y - 2 * v + 0.3) ** 2 < (index % 4) / 4 * radius**2 + 1e-3 * index] = 1.2
        noise = torch.randn(channels, size, size, generator=generator)
        slices.append(head + 0.2 * noise)
    return torch.stack(slices)


def decisions(logits: Tensor, heads: dict[str, int]) -> Tensor:
    """What logits (B, K) decide: the class of each head, the sign of each kind and RSNA label."""
    parts = logits.split(list(heads.values()), dim=1)
    return torch.cat(
        [
            (part > 0).long() if name in ("rsna", "kinds") else part.argmax(dim=1, keepdim=True)
            for name, part in zip(heads, parts, strict=True)
        ],
        dim=1,
    )


def try_out(run: Run, images: Tensor, reference: Outputs, heads: dict[str, int]) -> Trial:
    """Compare and time a runtime.

    Args:
        run: it.
        images: (B, C, H, W).
        reference: logits (B, K) of torch fp32, and those of the mask where there is one.
        heads: head name -> number of outputs.
    """
    with torch.no_grad():
        started = time.perf_counter()
        found = run(images)
        best = time.perf_counter() - started  # the first is slower: memory and kernels are made ready
        if best < _PATIENCE:
            best = min(_seconds(run, images) for _ in range(3))
    (logits, *masks), (expected, *expected_masks) = _parts(found), _parts(reference)
    differences = [
        float((one - two).abs().max()) for one, two in zip((logits, *masks), (expected, *expected_masks), strict=True)
    ]
    return Trial(
        max(differences),
        bool(torch.equal(decisions(logits, heads), decisions(expected, heads))),
        len(images) / best,
    )


def _parts(outputs: Outputs) -> tuple[Tensor, ...]:
    return (outputs,) if isinstance(outputs, Tensor) else outputs


def _seconds(run: Run, images: Tensor) -> float:
    started = time.perf_counter()
    run(images)
    return time.perf_counter() - started
