"""What all requests share."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request

from ichmonai.serve.options import ServeOptions
from ichmonai.serve.readings import Readings
from ichmonai.serve.store import Store
from ichmonai.serve.uploads import Intake
from ichmonai.serve.volumes import Volumes


@dataclass(frozen=True)
class Parts:
    """Of an application.

    Attributes:
        options: of the server.
        store: its database.
        intake: takes uploads.
        volumes: to scroll through.
        readings: what readers say.
    """

    options: ServeOptions
    store: Store
    intake: Intake
    volumes: Volumes
    readings: Readings


def _parts(request: Request) -> Parts:
    return request.app.state.parts


Shared = Annotated[Parts, Depends(_parts)]
"""The parts, as an argument of a route."""


def _study(study: str, parts: Shared) -> dict[str, Any]:
    found = parts.store.study(study)
    if found is None:
        raise HTTPException(404, "There is no such study; it may have been deleted.")
    return found


Study = Annotated[dict[str, Any], Depends(_study)]
"""The study that a path names, as an argument of a route."""
