import json
import os
import pickle
import shutil
import zipfile

import pytest
import torch
from typer.testing import CliRunner

from ichmonai.cli import app
from ichmonai.commands.bundle_options import bundle_source
from ichmonai.errors import InputError
from ichmonai.paths import bundle_root
from ichmonai.prediction.bundle import BundleSource, InferenceBundle
from ichmonai.trust.contents import contents


@pytest.fixture
def bundle(tmp_path):
    """A copy of our own with other weights, as somebody would send it."""
    root = tmp_path / "bundle"
    shutil.copytree(bundle_root() / "configs", root / "configs")
    (root / "models").mkdir()
    torch.save({"weight": torch.zeros(3)}, root / "models" / "model.pt")
    return root


def check(path):
    result = CliRunner().invoke(app, ["check-bundle", str(path), "--json"])
    found = json.loads(result.stdout)["contents"]
    return result.exit_code, {(one["file"], one["kind"]) for one in found if one["refusal"]}


def test_our_own_with_other_weights_is_allowed(bundle, tmp_path):
    assert check(bundle) == (0, set())
    archive = shutil.make_archive(str(tmp_path / "sent"), "zip", bundle)
    assert check(archive) == (0, set())
    InferenceBundle(BundleSource(bundle))


def write(bundle, name, change):
    path = bundle / "configs" / name
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


def test_a_foreign_config_does_not_run_unless_trusted(bundle, tmp_path):
    mark = tmp_path / "ran"
    write(bundle, "inference.json", lambda config: config.update(image_size=f"$open({str(mark)!r}, 'w').close() or 96"))
    assert check(bundle) == (1, {("configs/inference.json", "expression")})
    with pytest.raises(InputError, match=r"expression \$open.* at image_size .*--trust"):
        InferenceBundle(BundleSource(bundle))
    assert not mark.exists()
    assert InferenceBundle(BundleSource(bundle, trusted=True)).setting("image_size") == 96
    assert mark.exists()


def test_a_harmless_change_needs_no_trust(bundle):
    write(bundle, "inference.json", lambda config: config.update(batch_size=2, image_size="$48 * 2"))
    assert check(bundle) == (0, set())
    assert InferenceBundle(BundleSource(bundle)).setting("image_size") == 96


def test_code_in_an_overlay_of_our_own_bundle_is_found_where_it_ends_up(tmp_path):
    overlay = tmp_path / "more.json"
    overlay.write_text(json.dumps({"inferer#_target_": "os.system"}))
    with pytest.raises(InputError, match=r"target os\.system at inferer"):
        InferenceBundle(BundleSource(bundle_root(), overlays=(overlay,)))


@pytest.mark.parametrize(
    "value", ["$exit()", "@bundle_root", "%x.json", '["$exit()"]', '{"_target_": "os.system"}', '{"a": [{"b": "@c"}]}']
)
def test_settings_are_plain_values(value):
    with pytest.raises(InputError, match=r"--set backbone .* plain values"):
        bundle_source(None, None, [f"backbone={value}"])


class Evil:
    def __reduce__(self):
        return os.system, ("id",)


def hidden_pickle():
    """os.system, with other names put on the stack and taken away before it is named."""
    return b"\x80\x04\x8c\x02os\x8c\x06system\x8c\x0bcollections\x8c\x0bOrderedDict00\x93\x8c\x02id\x85R."


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("models/model.pt", pickle.dumps(Evil()), "pickle"),
        ("models/model.pt", hidden_pickle(), "pickle"),
        ("docs/notes.txt", pickle.dumps(Evil()), "pickle"),
        ("models/model.pt", pickle.dumps(torch.Size([1]), 2) + pickle.dumps(Evil(), 2), "pickle"),
        ("scripts/net.py", b"import os", "code"),
        ("docs/run", b"#!/bin/sh\nid\n", "code"),
        ("configs/logging.conf", b"[handler_h]\nclass=FileHandler\nargs=(__import__('os').system('id'),)\n", "logging"),
        ("configs/more.yaml", b"a: $__import__('os')\n", "expression"),
        ("configs/bomb.yaml", b"a: &a [1]\nb: [*a, *a]\n", "file"),
        ("configs/object.yaml", b"a: !!python/object/apply:os.system ['id']\n", "file"),
        ("configs/deep.json", b"[" * 100_000, "file"),
        ("models/x.safetensors", (2**63).to_bytes(8, "little") + b"{}", "weights"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_runs_is_found_wherever_it_is(bundle, tmp_path, name, content, kind):
    (bundle / name).parent.mkdir(exist_ok=True)
    (bundle / name).write_bytes(content)
    assert check(bundle) == (1, {(name, kind)})
    assert check(shutil.make_archive(str(tmp_path / "sent"), "zip", bundle)) == (1, {(name, kind)})


def test_torchscript_is_code(bundle):
    torch.jit.script(torch.nn.ReLU()).save(str(bundle / "models" / "model.ts"))
    code, found = check(bundle)
    assert code == 1
    assert ("models/model.ts", "torchscript") in found


def test_links_and_executables_are_found(bundle):
    (bundle / "models" / "out").symlink_to("/etc")
    (bundle / "models" / "in.pt").symlink_to("model.pt")
    (bundle / "LICENSE").write_text("free")
    (bundle / "LICENSE").chmod(0o755)
    assert check(bundle) == (1, {("models/out", "link"), ("LICENSE", "executable")})


def test_a_zip_cannot_reach_out_nor_fill_the_disk(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../../escaped.json", "{}")
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert check(tmp_path / "a.zip") == (1, {("../../escaped.json", "file"), ("link", "link")})
    assert not list(tmp_path.parent.glob("escaped.json"))
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(10**7))
    with pytest.raises(InputError, match="no bundle is like that"):
        contents(tmp_path / "bomb.zip")


def test_the_table_shows_text_as_it_is(bundle):
    write(bundle, "inference.json", lambda config: config.update(image_size="$[red]@x\x1b[2J[/red]"))
    result = CliRunner().invoke(app, ["check-bundle", str(bundle)])
    assert result.exit_code == 1
    assert "\x1b[2J" not in result.output
    assert CliRunner().invoke(app, ["check-bundle", str(bundle / "absent")]).exit_code == 2
