"""The tables of all shards as one."""

import contextlib
import json
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ichmonai.errors import InputError, first_line
from ichmonai.io.findings import Code
from ichmonai.prediction.folder import claimed
from ichmonai.prediction.journal import Journal
from ichmonai.prediction.report.templates import Templates, read_templates
from ichmonai.prediction.run import write_kept
from ichmonai.prediction.writers import writer_classes
from ichmonai.private_files import write_text
from ichmonai.provenance import table_digests


def merge_shards(out: Path, formats: Sequence[str], templates: Templates | None = None) -> int:
    """Write the tables that one run without shards would have written.

    Args:
        out: the folder that the shards were given; it holds `shard-1-of-n` to `shard-n-of-n`.
        formats: names of `ichmonai.prediction.writers`.
        templates: the sentences of the report in words; those of the package in English unless given.

    Returns:
        The number of shards.

    Raises:
        InputError: when shards are missing, not finished, or of different runs.
    """
    folders = {folder: match for folder in out.glob("shard-*-of-*") if (match := _NAME.fullmatch(folder.name))}
    totals = {int(match[2]) for match in folders.values()}
    if len(totals) != 1:
        raise InputError(f"{out} holds shards of {len(totals)} divisions; give the folder of one sharded run.")
    total = totals.pop()
    shards = [out / f"shard-{i}-of-{total}" for i in range(1, total + 1)]
    if missing := [shard.name for shard in shards if not (shard / "run.json").is_file()]:
        raise InputError(f"{', '.join(missing)} of {out} did not end; start them again, then merge.")
    with contextlib.ExitStack() as held:
        for folder in (out, *shards):
            held.enter_context(claimed(folder))
        try:
            _merge(out, shards, formats, templates or read_templates())
        except (sqlite3.OperationalError, OSError) as error:
            raise InputError(f"The shards in {out} cannot be merged ({error}); make room, then merge again.") from error
        except sqlite3.DatabaseError as error:
            raise InputError(f"A journal in {out} is damaged ({error}); predict its shard anew.") from error
    return total


def _merge(out: Path, shards: Sequence[Path], formats: Sequence[str], templates: Templates) -> None:
    records = [_record(shard / "run.json") for shard in shards]
    alike = ("weights", "config_sha256", "accept", "all_series", "one_study_per_folder", "threshold", "negative_up_to")
    for name in (*alike, "versions"):
        if any(record.get(name) != records[0].get(name) for record in records):
            raise InputError(f"The shards in {out} differ in {name}; run them again with the same bundle and options.")
    file = out / "merged.sqlite"
    file.unlink(missing_ok=True)
    said = {name: records[0].get(name) for name in ("threshold", "negative_up_to")}
    journal = Journal(file, {name: value for name, value in said.items() if isinstance(value, int | float)})
    try:
        for shard in shards:
            journal.absorb(shard / "journal.sqlite")
        writers = [one(out, templates=templates) for one in writer_classes(formats)]
        if any(one.needs_mask for one in writers) and journal.count("code = ''") and not journal.count("mask != x''"):
            raise InputError(f"The answers of the shards in {out} have no masks; merge them without.")
        write_kept(journal, writers)
        tables = table_digests(file for one in writers for file in one.finish(journal, dry_run=False))
        counts = {"series": journal.count(), **journal.outcomes(), "failed": journal.count(_FAILED)}
    finally:
        journal.close()
        file.unlink()
    report = {"language": templates.language, "templates_sha256": templates.sha256}
    merged = {**records[0], "report": report, "shard": [len(shards)] * 2, "counts": counts, "tables": tables}
    merged.pop("seconds", None)
    write_text(out / "run.json", json.dumps(merged, indent=2) + "\n")


def _record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(record, dict):
            return record
        reason = "it is no record"
    except (ValueError, RecursionError) as error:
        reason = first_line(error)
    raise InputError(f"{path} is damaged ({reason}); start its shard again, then merge.")


_NAME = re.compile(r"shard-(\d+)-of-(\d+)")
_FAILED = f"code = '{Code.FAILED.value}'"
