import numpy as np
import torch

from ichmonai.evaluation import confusion


def test_matrices_are_those_of_the_logits(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        confusion,
        "plot_confusion",
        lambda matrix, names, path, title: drawn.update({path.name: (matrix, names, title)}),
    )
    logits = torch.tensor([[2.0, 0, 0, 0, 0, 9], [0, 2, 3, 0, 0, 9], [0, 2, 0, 0, 3, 9], [2, 0, 3, 0, 0, 9]])
    labels = torch.tensor([[0, -1], [1, 0], [1, 1], [1, 0]])
    confusion.save_confusion_matrices(logits, labels, tmp_path, "test")
    ich, names, title = drawn["confusion_ich.png"]
    assert np.array_equal(ich, [[1, 0], [1, 2]])
    assert (names, title) == (("normal", "ich"), "ICH, test")
    assert np.array_equal(drawn["confusion_location.png"][0], [[2, 0, 0], [0, 0, 1], [0, 0, 0]])
