"""The figures of the papers, drawn of what was trained; of several seeds each is a thin line, the mean a thick one."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ichmonai.classes import ICH_CLASSES, LOCATIONS
from ichmonai.evaluation.figures import confusion_figure
from ichmonai.figures import BLUE, GREEN, GREY, ORANGE, VERMILION
from scripts.papers.reproduction.options import Entry
from scripts.papers.reproduction.results import accuracy_by_epoch, judge_rsna, loss_by_epoch, matrices
from scripts.papers.reproduction.tables import protocol_name

Trained = Sequence[tuple[Entry, Sequence[Path]]]
"""Rows with their finished trainings, one a seed."""

_DPI = 110


def curves(trained: Trained, path: Path) -> list[Path]:
    """Accuracy and loss by epoch, a column a row of the table; training dashed, validation solid (Figures 5 and 7)."""
    written = []
    for protocol, rows in _by_protocol(trained).items():
        figure = Figure(figsize=(3.4 * len(rows), 5.2), layout="constrained")
        axes = np.asarray(figure.subplots(2, len(rows), sharey="row", squeeze=False))
        for column, (entry, folders) in zip(axes.T, rows, strict=True):
            column[0].set_title(entry.label, fontsize=9)
            for ax, values in zip(column, (accuracy_by_epoch, loss_by_epoch), strict=True):
                for part, style, colour in (("train", "--", GREY), ("val", "-", BLUE)):
                    _lines(ax, [values(folder, part) for folder in folders], style, colour, _WORDS[part])
            column[1].set_xlabel("epoch")
        axes[0, 0].set_ylabel("accuracy, mean of both tasks")
        axes[1, 0].set_ylabel("loss")
        axes[0, 0].legend(frameon=False, fontsize=8, loc="lower right")
        figure.suptitle(protocol_name(protocol), fontsize=10)
        written.append(_save(figure, path, protocol))
    return written


def matrix_pictures(trained: Trained, path: Path) -> list[Path]:
    """Both confusion matrices of each protocol, the seeds added up (Figure 6)."""
    written = []
    for protocol, rows in _by_protocol(trained).items():
        for task, matrix in matrices(rows[0][1], rows[0][0].judged).items():
            names = ICH_CLASSES if task == "task1" else LOCATIONS
            figure = confusion_figure(matrix, names, f"{_TASKS[task]}, {protocol_name(protocol)}")
            written.append(_save(figure, path, f"{protocol}_{task}"))
    return written


def number_of_cnns(trained: Trained, path: Path) -> list[Path]:
    """Mean accuracy over the six labels against the number of CNNs (Figure 2), with what 'no haemorrhage' reaches."""
    written = []
    for protocol, rows in _by_protocol(trained).items():
        lines: dict[str, list[tuple[int, float, float, float]]] = defaultdict(list)
        baseline = float("nan")
        for entry, folders in rows:
            found = judge_rsna(folders, entry.judged).metrics
            count, _, pretraining = entry.label.partition("-CNN-ViT, ")
            name = pretraining or "no CNN"
            lines[name].append((int(count) if pretraining else 0, *found["ours"]["accuracy"]))
            baseline = found["baseline all_negative"]["accuracy"].value
        figure = Figure(figsize=(5.4, 3.8), layout="constrained")
        ax = figure.subplots()
        for shift, (name, points) in enumerate(lines.items()):
            n, value, low, high = (np.array(column, dtype=float) for column in zip(*sorted(points), strict=True))
            place, colour = n + 0.05 * (shift - 1.5), _COLOURS[name]
            ax.plot(place, value, "-o", color=colour, label=name, markersize=4)
            ax.vlines(place, low, high, color=colour, alpha=0.5)
        ax.axhline(baseline, color=GREY, linestyle="--", label="'no haemorrhage', always")
        ax.set_xticks(range(4))
        ax.set_xlabel("CNNs")
        ax.set_ylabel("mean accuracy of six labels")
        ax.legend(frameon=False, fontsize=8)
        ax.set_title(protocol_name(protocol), fontsize=10)
        ax.spines[["top", "right"]].set_visible(False)
        written.append(_save(figure, path, protocol))
    return written


FIGURES = {"curves": curves, "matrices": matrix_pictures, "number_of_cnns": number_of_cnns}
"""By the name in `Experiment.figure`; each writes pictures that begin with a path's stem, and says which."""

_WORDS = {"train": "training", "val": "validation"}
_TASKS = {"task1": "haemorrhage", "task2": "location"}
_COLOURS: Mapping[str, str] = {"no CNN": GREEN, "ImageNet": BLUE, "GAN": ORANGE, "diverse": VERMILION}


def _by_protocol(trained: Trained) -> dict[str, list[tuple[Entry, Sequence[Path]]]]:
    rows: dict[str, list[tuple[Entry, Sequence[Path]]]] = defaultdict(list)
    for entry, folders in trained:
        rows[entry.run.protocol].append((entry, folders))
    return rows


def _lines(ax: Axes, seeds: Sequence[Sequence[float]], style: str, colour: str, label: str) -> None:
    epochs = range(1, len(seeds[0]) + 1)
    for values in seeds if len(seeds) > 1 else ():
        ax.plot(epochs, values, style, color=colour, linewidth=0.6, alpha=0.5)
    ax.plot(epochs, np.mean(seeds, axis=0), style, color=colour, linewidth=1.6, label=label)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)


def _save(figure: Figure, path: Path, part: str) -> Path:
    target = path.with_name(f"{path.name}_{part}.png")
    figure.savefig(target, format="png", dpi=_DPI)
    return target
