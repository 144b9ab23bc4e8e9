import hashlib
import json

from ichmonai.digests import sha256_of_file
from ichmonai.provenance import write_provenance


def test_record(tmp_path):
    weights = tmp_path / "model.pt"
    weights.write_bytes(bytes(3 << 20) + b"end")
    assert sha256_of_file(weights) == hashlib.sha256(weights.read_bytes()).hexdigest()
    write_provenance(tmp_path / "new" / "run.json", weights, split="test", slices=3)
    record = json.loads((tmp_path / "new" / "run.json").read_text())
    assert record["weights"] == {"file": "model.pt", "sha256": sha256_of_file(weights)}
    assert (record["split"], record["slices"]) == ("test", 3)
    assert record["time"].endswith("+00:00")
    assert {"python", "ichmonai", "torch", "monai"} <= record["versions"].keys()
    write_provenance(tmp_path / "run.json", None)
    assert json.loads((tmp_path / "run.json").read_text())["weights"] is None
