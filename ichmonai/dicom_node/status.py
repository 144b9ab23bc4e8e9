"""What a journal tells people: counts, and the audit trail."""

import datetime
import time

import typer

from ichmonai.dicom_node.store import NodeStore


def print_journal(store: NodeStore, audit: bool) -> None:
    """Print counts, and what waits for each destination; or the audit trail as a table with tabs.

    Args:
        store: the journal.
        audit: which of them.
    """
    if audit:
        typer.echo("at\tevent\tpeer\tstudy\tobject")
        for at, *rest in store.audit():
            when = datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat(timespec="milliseconds")
            typer.echo("\t".join((when, *rest)))
        return
    for name, count in store.status().items():
        typer.echo(f"{name} {count}")
    for destination, (count, since) in store.waiting().items():
        typer.echo(f"{destination}: {count} waiting, the oldest for {time.time() - since:.0f} seconds")
