"""The steps of the model zoo's `ci/verify_bundle.py`, as its modes `min` and `full` take them; run in the zoo's root.

The schema of the metadata lies in `eval/schema.json`, where the zoo's CI puts what it has downloaded, and properties of
an app in a folder of the app's name.
"""

import json
import os
import runpy
import sys
from pathlib import Path


def minimal(bundle: Path) -> None:
    """Files, version and metadata."""
    from monai.bundle import verify_metadata

    for name in ("configs/metadata.json", "LICENSE", "models/model.pt", "configs/inference.json"):
        assert (bundle / name).is_file(), name
    too_large = [path for path in bundle.rglob("*") if path.is_file() and path.stat().st_size > 25 * 2**20]
    assert not too_large
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text())
    assert metadata["version"] in metadata["changelog"]
    known = json.loads((bundle.parent / "model_info.json").read_text())
    assert f"{bundle.name}_v{metadata['version']}" not in known
    verify_metadata(meta_file=str(bundle / "configs/metadata.json"), filepath=str(bundle / "eval/schema.json"))


def full(bundle: Path) -> None:
    """The same, then properties of the apps, shapes and TorchScript."""
    from monai.bundle import ckpt_export, create_workflow, verify_net_in_out

    minimal(bundle)
    files = {
        "config_file": str(bundle / "configs/inference.json"),
        "meta_file": str(bundle / "configs/metadata.json"),
        "bundle_root": str(bundle),
    }
    apps = json.loads((bundle / "configs" / "metadata.json").read_text())["supported_apps"]
    checked = [path for app in apps for path in Path(app).rglob("bundle_properties.py")]
    assert checked
    for path in checked:
        properties = runpy.run_path(str(path))
        logging = str(bundle / "configs/logging.conf")
        workflow = create_workflow(workflow_type="inference", logging_file=logging, **files)
        workflow.properties = {**properties["MetaProperties"], **properties["InferProperties"]}
        assert workflow.check_properties() == []
    verify_net_in_out(net_id="network_def", **files)
    script = bundle / "models" / "verify_model.ts"
    ckpt_export(net_id="network_def", filepath=str(script), ckpt_file=str(bundle / "models/model.pt"), **files)
    assert script.is_file()


if __name__ == "__main__":
    folder = Path("models", sys.argv[2])
    sys.path.insert(0, os.fspath(folder))
    {"min": minimal, "full": full}[sys.argv[1]](folder)
