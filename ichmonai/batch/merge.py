"""The tables of all shards as one."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from ichmonai.batch.journal import Journal
from ichmonai.batch.run import write_tables
from ichmonai.errors import InputError
from ichmonai.outputs.formats import TableFormat


def merge_shards(out: Path, formats: Iterable[TableFormat]) -> int:
    """Write the tables that one run without shards would have written.

    Args:
        out: the folder that the shards were given; it holds `shard-1-of-n` to `shard-n-of-n`.
        formats: of the tables.

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
    records = [json.loads((shard / "run.json").read_text(encoding="utf-8")) for shard in shards]
    for name in ("weights", "config_sha256", "accept", "all_series", "threshold", "versions"):
        if any(record[name] != records[0][name] for record in records):
            raise InputError(f"The shards in {out} differ in {name}; run them again with the same bundle and options.")
    file = out / "merged.sqlite"
    file.unlink(missing_ok=True)
    journal = Journal(file, {})
    try:
        for shard in shards:
            journal.absorb(shard / "journal.sqlite")
        write_tables(out, journal, formats)
    finally:
        journal.close()
        file.unlink()
    counts = {name: sum(record["counts"][name] for record in records) for name in _SUMMED}
    merged = {**records[0], "shard": [total, total], "counts": counts}
    del merged["seconds"]
    (out / "run.json").write_text(json.dumps(merged, indent=2) + "\n", encoding="utf-8")
    return total


_NAME = re.compile(r"shard-(\d+)-of-(\d+)")
_SUMMED = ("series", "positive", "negative", "no_prediction", "failed")
