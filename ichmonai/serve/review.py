"""The web page on which readers review a dataset, slice by slice."""

from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field, StringConstraints, field_validator

from ichmonai import __version__
from ichmonai.datasets.review import DECISIONS, LABELS
from ichmonai.errors import InputError
from ichmonai.io import HeadCTReadError
from ichmonai.serve import pages
from ichmonai.serve.options import ServeOptions
from ichmonai.serve.security import Gate
from ichmonai.serve.sheets import SHEET, SHOWN, Sheets


class Said(BaseModel):
    """A reader's decision on slices, by their numbers."""

    slices: list[int] = Field(min_length=1, max_length=SHEET)
    decision: str
    reader: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]

    @field_validator("decision")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in DECISIONS:
            raise ValueError(f"A decision is one of {', '.join(DECISIONS)}.")
        return value


def create_review_app(options: ServeOptions, sheets: Sheets) -> FastAPI:
    """Make the application; its gate is that of `ichmonai serve`.

    Args:
        options: token and names of the server.
        sheets: what is reviewed.

    Returns:
        An ASGI application.
    """
    app = FastAPI(title="ichmonai review", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.parts = SimpleNamespace(options=options)  # what the page to log in asks for
    app.add_middleware(Gate, options=options)
    app.add_api_route("/login", pages.login_page)
    app.add_api_route("/login", pages.login, methods=["POST"])
    app.add_api_route("/static/report.css", pages.report_style)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")

    @app.get("/")
    def sheet_page(sheet: int = 1, show: str = "all", label: str = "") -> HTMLResponse:
        """A sheet of the slices in a state and with a label."""
        numbers = sheets.numbers(show if show in SHOWN else "all", label if label in LABELS else "")
        last = max(-(-len(numbers) // SHEET), 1)
        sheet = min(max(sheet, 1), last)
        return pages.page(
            "review.html.j2",
            cells=sheets.cells(numbers[(sheet - 1) * SHEET : sheet * SHEET]),
            sheet=sheet,
            last=last,
            counts=sheets.counts(),
            show=show if show in SHOWN else "all",
            label=label if label in LABELS else "",
            labels=sheets.labels(),
            relabels=LABELS,
        )

    @app.get("/slices/{number}.jpg")
    def picture(number: int, large: bool = False) -> Response:
        """A slice."""
        _require(sheets, [number])
        try:
            return Response(sheets.picture(number, large), media_type="image/jpeg")
        except HeadCTReadError as error:
            raise HTTPException(404, "The image cannot be read.") from error

    @app.post("/decisions")
    def decide(said: Said) -> JSONResponse:
        """Keep a decision; it is on the disk when this is answered."""
        _require(sheets, said.slices)
        try:
            cells = sheets.decide(said.slices, said.decision, said.reader)
        except OSError as error:
            sentence = f"{sheets.review} cannot be written ({error.strerror or error}); make room, then click again."
            return JSONResponse({"detail": sentence}, 507)
        told = [{"slice": one.number, "state": one.state, "decision": one.decision, "by": one.by} for one in cells]
        return JSONResponse({"slices": told, "counts": sheets.counts()})

    @app.exception_handler(InputError)
    def say(_request: Request, error: Exception) -> Response:
        return JSONResponse({"detail": str(error)}, 400)

    return app


def serve_review(sheets: Sheets, token: str, port: int) -> None:
    """Serve the page on this machine alone until the process is told to end.

    Args:
        sheets: what is reviewed.
        token: what a reader must know; empty where everybody on this machine may review.
        port: to listen at.
    """
    options = ServeOptions(sheets.review.parent, token=token)
    uvicorn.run(
        create_review_app(options, sheets),
        host="127.0.0.1",
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )


def _require(sheets: Sheets, numbers: list[int]) -> None:
    if not all(0 <= one < len(sheets.items) for one in numbers):
        raise HTTPException(404, f"There are {len(sheets.items)} slices, counted from 0.")
