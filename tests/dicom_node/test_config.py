"""The toml file: what is wrong with it is said in one sentence."""

import pytest

from ichmonai.dicom_node.config import read_config
from ichmonai.errors import InputError

GOOD = """
[node]
folder = "node"
senders = ["CT1", "CT2"]
quiet_seconds = 20

[[destination]]
name = "archive"
ae_title = "PACS"
host = "pacs.example"
port = 104
positive = ["pictures"]
"""


def test_a_good_file(tmp_path):
    path = tmp_path / "node.toml"
    path.write_text(GOOD)
    config = read_config(path)
    assert config.folder == tmp_path / "node"
    assert config.host == "127.0.0.1"
    assert (config.senders, config.quiet_seconds, config.ae_title) == (("CT1", "CT2"), 20, "ICHMONAI")
    (one,) = config.destinations
    assert (one.ae_title, one.port, one.always, one.positive) == ("PACS", 104, ("report",), ("pictures",))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[node]", "[node", "cannot be read"),
        ("quiet_seconds", "quiet_secs", "has quiet_secs, which is not known"),
        ('folder = "node"', "", r"\[node\] of .* lacks folder"),
        ("= 20", '= "20"', "quiet_seconds in .* is '20'"),
        ("port = 104", "port = true", "port in .* is True"),
        ("port = 104", "port = 104000", "port that does not exist"),
        ('"CT1"', '"A title that is too long"', "is no AE title"),
        ('["pictures"]', '["photos"]', "sends photos"),
        ("[[destination]]", "[[receiver]]", "has a part receiver"),
        ("positive", "tls = true\npositive", "there are no certificates"),
        ("[[destination]]", "[tls]\ncertificate = 'a'\nkey = 'b'\nauthorities = 'c'\n[[destination]]", "no file .*a,"),
        (
            "[[destination]]",
            "[poll]\nurl = 'http://pacs'\nevery = 20\n[[destination]]",
            "ask more often than",
        ),
        ("[[destination]]", "[poll]\nurl = 'pacs'\n[[destination]]", "'pacs', which .* asks, is no url"),
        ("[[destination]]", "[poll]\nevery = 2\n[[destination]]", r"\[poll\] of .* lacks url"),
        (
            'ae_title = "PACS"\nhost = "pacs.example"\nport = 104',
            'url = "http://pacs"\nstorage_commitment = true',
            "DICOMweb has no storage commitment",
        ),
        ('["pictures"]', '["pictures"]\nalways = []\nreject_superseded = true', "archive of .* add report to always"),
        ("quiet_seconds", "metrics_port = 70000\nquiet_seconds", "port that does not exist"),
        ('host = "pacs.example"', "", "needs ae_title, host and port, or a url"),
        ("port = 104", 'port = 104\nurl = "http://pacs.example"', "give either"),
        ('senders = ["CT1", "CT2"]', 'host = "0.0.0.0"', "lets everybody on the network send to 0.0.0.0"),
        ('senders = ["CT1", "CT2"]', 'senders = "CT1"', "senders in .* is 'CT1'"),
        ("quiet_seconds = 20", 'report_templates = "own.toml"', r"/own\.toml cannot be read as templates"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path, old, new, said):
    path = tmp_path / "node.toml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(InputError, match=said):
        read_config(path)


def test_without_destination(tmp_path):
    path = tmp_path / "node.toml"
    path.write_text(GOOD.split("[[")[0])
    with pytest.raises(InputError, match=r"no \[\[destination\]\]"):
        read_config(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_config(tmp_path / "absent.toml")
