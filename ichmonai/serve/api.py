"""The REST API."""

import gzip
import io
import zipfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel

from ichmonai.prediction.report.drawing import SEEN, SMALL
from ichmonai.prediction.rows import mask_file, stem
from ichmonai.serve.parts import Shared, Study
from ichmonai.serve.readings import Reading
from ichmonai.serve.uploads import remove_upload
from ichmonai.serve.volumes import mask_array

router = APIRouter(prefix="/api")

_PICTURES = {"small": SMALL, "seen": SEEN}
_TABLES = ("studies.csv", "slices.csv", "rejected.csv", "run.json")


class NewUpload(BaseModel):
    """What begins an upload; `name` is what the worklist calls it."""

    name: str = ""


class UploadId(BaseModel):
    """The name of an upload on the server."""

    id: str


@router.post("/uploads", status_code=201, tags=["uploads"])
def begin_upload(given: NewUpload, parts: Shared) -> UploadId:
    """Begin an upload; files follow, then its submission."""
    return UploadId(id=parts.store.new_upload(given.name[:200]))


@router.put("/uploads/{upload}/files", status_code=201, tags=["uploads"])
async def upload_file(
    upload: str, name: Annotated[str, Query(description="relative path")], request: Request, parts: Shared
) -> dict[str, int]:
    """Add a file: its bytes are the body. Zip archives are read as they are."""
    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isdecimal() else 0
    return {"bytes": await parts.intake.take(upload, name, request.stream(), size)}


@router.post("/uploads/{upload}/submit", status_code=202, tags=["uploads"])
def submit_upload(upload: str, parts: Shared) -> UploadId:
    """Queue an upload that is complete."""
    if not parts.store.submit(upload):
        raise HTTPException(409, "This upload has no file, or was submitted before.")
    return UploadId(id=upload)


@router.post("/predict", status_code=202, tags=["uploads"])
async def predict_file(
    name: Annotated[str, Query(description="file name, by whose suffix its format is told")],
    request: Request,
    parts: Shared,
) -> UploadId:
    """Upload one file and queue it: `curl --data-binary @scan.zip 'URL/api/predict?name=scan.zip'`."""
    upload = parts.store.new_upload(name[:200])
    try:
        await upload_file(upload, name, request, parts)
    except BaseException:
        remove_upload(parts.store, upload)
        raise
    return submit_upload(upload, parts)


@router.get("/uploads/{upload}", tags=["uploads"])
def get_upload(upload: str, parts: Shared) -> dict[str, Any]:
    """How far an upload is, its studies, and what of it was refused and why."""
    found = parts.store.upload(upload)
    if found is None:
        raise HTTPException(404, "There is no such upload; it may have been deleted.")
    studies = [study_record(one) for one in parts.store.studies(upload)]
    refused = parts.store.refusals().get(upload, [])
    return {**found, "studies": studies, "refused": [_plain(one) for one in refused]}


@router.delete("/uploads/{upload}", status_code=204, tags=["uploads"])
def delete_upload(upload: str, parts: Shared) -> None:
    """Delete an upload with its studies, files, answers and what readers said of it."""
    if parts.store.upload(upload) is None:
        raise HTTPException(404, "There is no such upload; it may have been deleted.")
    if not remove_upload(parts.store, upload):
        raise HTTPException(409, "This upload is being predicted; delete it when that is done.")


@router.get("/worklist", tags=["studies"])
def get_worklist(parts: Shared) -> dict[str, Any]:
    """All studies, the most urgent first, and the uploads that they are of."""
    return {
        "studies": [study_record(one) for one in parts.store.studies()],
        "uploads": parts.store.uploads(),
    }


@router.get("/studies/{study}", tags=["studies"])
def get_study(study: Study) -> dict[str, Any]:
    """A study with its answer, and that of each slice."""
    return {**study_record(study), "slices": study["slices"]}


@router.delete("/studies/{study}", status_code=204, tags=["studies"])
def delete_study(study: Study, parts: Shared) -> None:
    """Delete a study with the upload that it came in, and so with all that came with it."""
    delete_upload(study["upload"], parts)


@router.get("/studies/{study}/volume", tags=["studies"])
def get_volume(study: Study, parts: Shared) -> dict[str, Any]:
    """Number of slices, rows and columns of a study's volume, mm between these, and whether there is a mask."""
    volume, facts = parts.volumes.open(study)
    return {"shape": volume.shape, **facts, "mask": mask_array(parts.store, study["upload"], study["id"]).is_file()}


@router.get("/studies/{study}/volume/{number}", tags=["studies"], response_class=Response)
def get_slice(study: Study, number: int, parts: Shared) -> Response:
    """A slice in HU: int16, little-endian, row by row; counted from 0, from below."""
    return _raw(parts.volumes.open(study)[0], number, "<i2")


@router.get("/studies/{study}/mask/{number}", tags=["studies"], response_class=Response)
def get_mask(study: Study, number: int, parts: Shared) -> Response:
    """The mask of a slice: uint8, row by row; 0 is no blood, others are kinds."""
    path = mask_array(parts.store, study["upload"], study["id"])
    if not path.is_file():
        raise HTTPException(404, "The network that answered makes no mask.")
    return _raw(np.load(path, mmap_mode="r"), number, "u1")


@router.get("/studies/{study}/mask.nii.gz", tags=["studies"], response_class=FileResponse)
def get_mask_file(study: Study, parts: Shared) -> FileResponse:
    """The mask of a study as NIfTI, over the scan."""
    path = _results(study, parts) / mask_file(study["row"])
    if not path.is_file():
        raise HTTPException(404, "The network that answered makes no mask.")
    return FileResponse(path, media_type="application/gzip", filename=f"mask-{study['id']}.nii.gz")


@router.get("/studies/{study}/pictures/{name}", tags=["studies"], response_class=FileResponse)
def get_picture(study: Study, name: str, parts: Shared) -> FileResponse:
    """`small`: the leading slice; `seen`: the same as the network saw it."""
    path = _results(study, parts) / "report" / f"{stem(study['row'])}-{_PICTURES.get(name, '')}"
    if name not in _PICTURES or not path.is_file():
        raise HTTPException(404, "There is no such picture yet.")
    return FileResponse(path, media_type="image/jpeg")


@router.get("/studies/{study}/report.zip", tags=["studies"], response_class=Response)
def get_report(study: Study, parts: Shared) -> Response:
    """Report, pictures and tables of the upload that a study came in."""
    results = _results(study, parts)
    if not (results / "report.html").is_file():
        raise HTTPException(404, "The report is made when all studies of the upload have their answers.")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in (*(results / name for name in ("report.html", *_TABLES)), *(results / "report").iterdir()):
            if path.is_file():
                archive.write(path, path.relative_to(results))
    return Response(buffer.getvalue(), media_type="application/zip", headers=_saved(f"report-{study['id']}.zip"))


@router.get("/studies/{study}/{table}.csv", tags=["studies"], response_class=FileResponse)
def get_table(study: Study, table: str, parts: Shared) -> FileResponse:
    """`studies`, `slices` or `rejected`: a table of the upload that a study came in."""
    path = _results(study, parts) / f"{table}.csv"
    if path.name not in _TABLES or not path.is_file():
        raise HTTPException(404, "There is no such table yet.")
    return FileResponse(path, media_type="text/csv", filename=f"{table}-{study['id']}.csv")


@router.post("/studies/{study}/readings", status_code=201, tags=["readings"])
def add_reading(study: Study, reading: Reading, parts: Shared) -> dict[str, Any]:
    """Say what a reader sees in a study; a later reading of the same reader takes the place of this one."""
    if any(not 0 <= number < len(study["slices"]) for number in reading.slices):
        raise HTTPException(422, f"The study has {len(study['slices'])} slices.")
    return parts.readings.add(study, reading)


@router.get("/studies/{study}/readings", tags=["readings"])
def get_readings(study: Study, parts: Shared) -> list[dict[str, Any]]:
    """What readers said of a study, the newest first."""
    return parts.readings.of(study["id"])


@router.get("/agreement", tags=["readings"])
def get_agreement(parts: Shared) -> list[dict[str, Any]]:
    """How often readers agree with the answers of each weights, with 95% intervals."""
    return parts.readings.agreement()


def study_record(study: dict[str, Any]) -> dict[str, Any]:
    """What the API says of a study: no path of this machine."""
    said = {name: value for name, value in study["row"].items() if name != "path"}
    row = {**said, **{name: of_upload(study["upload"], str(said.get(name, ""))) for name in ("study", "series")}}
    kept = ("id", "upload", "name", "created", "answered", "warnings", "facts")
    return {**{name: study[name] for name in kept}, "answer": row}


def of_upload(upload: str, name: str) -> str:
    """A name that is a path in the server's folders, as it was in the upload; others as they are."""
    _, found, inside = name.partition(f"uploads/{upload}/files")
    return inside.lstrip("/") if found else name


def _plain(refusal: dict[str, Any]) -> dict[str, str]:
    return {name: refusal[name] for name in ("place", "code", "sentence")}


def _results(study: dict[str, Any], parts: Shared) -> Path:
    return parts.store.place(study["upload"]) / "results"


def _saved(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}


def _raw(volume: np.ndarray, number: int, dtype: str) -> Response:
    if not 0 <= number < len(volume):
        raise HTTPException(404, f"There are {len(volume)} slices, counted from 0.")
    packed = gzip.compress(volume[number].astype(dtype).tobytes(), 1)
    return Response(packed, media_type="application/octet-stream", headers={"content-encoding": "gzip"})
