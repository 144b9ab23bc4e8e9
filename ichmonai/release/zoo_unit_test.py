"""Runs the bundle's workflows on phantom data: for `ci/unit_tests` of MONAI's model zoo, in the zoo's root folder."""

import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

from monai.bundle import ConfigWorkflow

BUNDLE = Path("models/ich_classification")
SMALL = {
    "bundle_root": str(BUNDLE),
    "pretrained": False,
    "image_size": 64,
    "num_workers": 0,
    "split_fractions": [0.6, 0.2, 0.2],
    "train#trainer#max_epochs": 1,
    "batch_size": 16,
    "val_batch_size": 8,
}


class TestICHClassification(unittest.TestCase):
    """Training, evaluation and inference."""

    def setUp(self) -> None:
        """Draw patients, and a study."""
        sys.path.insert(0, str(BUNDLE))
        import ichmonai_code  # noqa: F401  which finds the bundle's code

        from ichmonai.datasets.phantom import PhantomKind, make_cohort, make_study, write_dtvit, write_nifti

        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.data, self.scans, self.run_dir = (Path(self.folder.name, name) for name in ("data", "scans", "run"))
        self.data.mkdir()
        self.scans.mkdir()
        write_dtvit(self.data, make_cohort(18, seed=1, size=64, ich_only=True))
        write_nifti(self.scans, [make_study(7, kind=PhantomKind.LOBAR, size=96)])

    def check(self, kind: str, names: list[str], **override: Any) -> None:
        """Initialize, check properties, run and finalize."""
        workflow = ConfigWorkflow(
            workflow_type=kind,
            config_file=[str(BUNDLE / "configs" / f"{name}.json") for name in names],
            logging_file=str(BUNDLE / "configs" / "logging.conf"),
            meta_file=str(BUNDLE / "configs" / "metadata.json"),
            **override,
        )
        workflow.initialize()
        self.assertEqual(workflow.check_properties(), [])
        workflow.run()
        workflow.finalize()

    def test_train_eval_config(self) -> None:
        """The default network."""
        options = {**SMALL, "dataset_dir": str(self.data), "output_dir": str(self.run_dir)}
        self.check("train", ["train"], **options)
        self.check("train", ["train", "evaluate"], **options)
        self.assertTrue((self.run_dir / "evaluation" / "metrics.json").is_file())

    def test_infer_config(self) -> None:
        """The shipped weights."""
        options = {"bundle_root": str(BUNDLE), "dataset_dir": str(self.scans), "output_dir": str(self.run_dir)}
        self.check("infer", ["inference"], **options, workers=1)
        self.assertEqual(len((self.run_dir / "studies.csv").read_text().splitlines()), 2)  # its head, and the study


if __name__ == "__main__":
    unittest.main()
