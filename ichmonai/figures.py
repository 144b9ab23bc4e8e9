"""What all figures and reports share: colours, and pictures inside a page."""

import base64
from io import BytesIO

from matplotlib.figure import Figure
from PIL import Image

# Okabe and Ito's palette, told apart with colour-blind eyes.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
SKY, ORANGE, BLACK = "#56B4E9", "#E69F00", "#000000"
GREY = "#999999"
"""Of what others are compared with."""


def figure_uri(figure: Figure) -> str:
    """A figure as the data URI of an SVG."""
    buffer = BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return _uri("svg+xml", buffer)


def picture_uri(picture: Image.Image) -> str:
    """A picture as the data URI of a PNG."""
    buffer = BytesIO()
    picture.save(buffer, format="png")
    return _uri("png", buffer)


def _uri(kind: str, content: BytesIO) -> str:
    return f"data:image/{kind};base64," + base64.b64encode(content.getvalue()).decode()
