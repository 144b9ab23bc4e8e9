"""The command ``ichmonai phantom``."""

import os
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track


class PhantomFormat(str, Enum):
    """Layouts that the phantom can be written in."""

    DICOM = "dicom"
    NIFTI = "nifti"
    DTVIT = "dtvit"
    RSNA = "rsna"
    CT_ICH = "ct-ich"
    CQ500 = "cq500"
    BHSD = "bhsd"


def phantom(
    out: Annotated[Path, typer.Argument(help="Folder to write to; new or empty.")],
    patients: Annotated[int, typer.Option(min=1, help="Number of patients; every second one is normal.")] = 8,
    format: Annotated[PhantomFormat, typer.Option(help="Layout of the files.")] = PhantomFormat.DICOM,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same cohort.")] = 0,
    size: Annotated[int, typer.Option(min=64, max=1024, help="Pixels along each side of a slice.")] = 512,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; all cores unless given.")] = None,
    clinical: Annotated[
        bool, typer.Option("--clinical", help="Also clinical.csv: age, pressure and so on, drawn by a stated model.")
    ] = False,
) -> None:
    """Make a cohort of synthetic head CT with and without haemorrhage, to try everything without patient data."""
    if size % 2:
        raise typer.BadParameter(f"{size} is odd; give an even number.", param_hint="--size")
    _prepare(out)

    from ichmonai.cores import usable_cores
    from ichmonai.datasets import phantom as phantoms

    writers = {
        PhantomFormat.DICOM: phantoms.write_dicom,
        PhantomFormat.NIFTI: phantoms.write_nifti,
        PhantomFormat.DTVIT: phantoms.write_dtvit,
        PhantomFormat.RSNA: phantoms.write_rsna,
        PhantomFormat.CT_ICH: phantoms.write_ct_ich,
        PhantomFormat.CQ500: phantoms.write_cq500,
        PhantomFormat.BHSD: phantoms.write_bhsd,
    }
    processes = min(workers or usable_cores(), patients)
    studies = phantoms.make_cohort(patients, seed, size, processes, ich_only=format is PhantomFormat.DTVIT)
    console = Console(stderr=True)
    truth = writers[format](out, track(studies, "Imaging phantoms", total=patients, console=console))
    if clinical:
        phantoms.write_clinical(truth, seed)
    console.print(f"Wrote {patients} phantom patients to {out}; what every slice shows is in {truth.name}.")


def _prepare(out: Path) -> None:
    """Make the output folder, or say in one sentence why not."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        occupied = any(out.iterdir())
    except OSError as error:
        raise typer.BadParameter(f"cannot write to {out} ({error.strerror}); choose another folder.") from error
    if occupied:
        raise typer.BadParameter(f"{out} is not empty; choose a new folder, or empty this one.")
    if not os.access(out, os.W_OK):
        raise typer.BadParameter(f"cannot write to {out} (Permission denied); choose another folder.")
