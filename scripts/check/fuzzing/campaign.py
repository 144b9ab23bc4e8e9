"""The fuzzer's processes: one for each target, started anew where an input ends it."""

import contextlib
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import atheris

from scripts.bench.machine import machine

HANG = 10
"""Seconds of the processor for one input."""
DEADLOCK = 120
"""Seconds of the wall's clock, for what waits and computes nothing."""
ADDRESS_SPACE = 4 * 2**30
"""Bytes that a process may map beyond what its libraries do."""
LONGEST = 2**19
"""Bytes of an input."""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Nothing on standard error, not even of libraries in C; exceptions come through."""
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


# Their code tells the fuzzer what an input reaches, and says so of each module.
_READERS = ["ichmonai", "pydicom.filereader", "pydicom.encaps", "pydicom.fileset"]
with _quiet(), atheris.instrument_imports(include=_READERS):
    from ichmonai import __version__
    from scripts.check.fuzzing import images, tables
    from scripts.check.fuzzing.mutations import mutate_bytes
    from scripts.check.fuzzing.oracles import Target, ViolationError, judge
    from scripts.check.fuzzing.shrink import shrink
    from scripts.check.fuzzing.structures import mutate_files

TARGETS = {target.name: target for target in (*images.TARGETS, *tables.TARGETS)}


def warm(targets: list[Target], scratch: Path) -> None:
    """Read the seeds once before any fork: a module that is imported then would be slow, and large, in each process.

    Args:
        targets: to be fuzzed.
        scratch: an empty folder.
    """
    os.environ["ITK_GLOBAL_DEFAULT_THREADER"] = "Platform"  # its pool of threads would not survive a fork
    with _quiet(), atheris.instrument_imports(include=_READERS):
        for target in targets:
            for content in target.seeds().values():
                place = scratch / "input"
                place.mkdir()
                with contextlib.suppress(ViolationError):  # it is to be found by the target's own process
                    judge(target, place, content)
                shutil.rmtree(place)


class Progress:
    """What became of a target's inputs; on disk, since the process may die.

    Args:
        folder: of the target.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "progress.json"
        kept = json.loads(self.file.read_text()) if self.file.exists() else {}
        self.inputs: int = kept.get("inputs", 0)
        self.seconds: float = kept.get("seconds", 0.0)
        self.slowest: float = kept.get("slowest", 0.0)
        self.coverage: int = kept.get("coverage", 0)
        self.outcomes: dict[str, int] = kept.get("outcomes", {})
        self.finds: dict[str, str] = kept.get("finds", {})
        self.done: bool = kept.get("done", False)

    def count(self, outcome: str, seconds: float) -> None:
        """One more input."""
        self.inputs += 1
        self.seconds += seconds
        self.slowest = max(self.slowest, seconds)
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def write(self) -> None:
        """Keep it."""
        partial = self.file.with_suffix(".partial")
        partial.write_text(
            json.dumps({name: value for name, value in vars(self).items() if name not in ("folder", "file")})
        )
        partial.replace(self.file)


def fuzz(target: Target, folder: Path, runs: int, deadline: float, seed: int) -> None:
    """Fuzz in this process, which ends with it."""
    progress = Progress(folder)
    scratch = Path(tempfile.mkdtemp(prefix="fuzz-"))
    place, current = scratch / "input", folder / "current"
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + ADDRESS_SPACE, resource.RLIM_INFINITY))
    os.chdir(scratch)

    def one(data: bytes) -> None:
        place.mkdir()
        current.write_bytes(data)
        began = time.monotonic()
        signal.setitimer(signal.ITIMER_PROF, HANG)  # which ends the process
        try:
            outcome = judge(target, place, data)
        except ViolationError as error:
            signal.setitimer(signal.ITIMER_PROF, 0)
            outcome = f"find: {error.kind}"
            if error.signature not in progress.finds:
                progress.finds[error.signature] = str(error)[:600]
                (folder / "finds" / error.signature).write_bytes(shrink(target, place, data, error))
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            shutil.rmtree(place, ignore_errors=True)
        now = time.monotonic()
        progress.count(outcome, now - began)
        progress.done = progress.inputs >= runs or now > deadline
        if progress.inputs % 20 == 0 or progress.done:
            progress.write()
        if progress.done:
            shutil.rmtree(scratch)
            os._exit(0)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < 0.4:  # what reaches new code is mostly damaged beyond reading
            data = chance.choice(valid)
        for _ in range(chance.choice((1, 1, 1, 1, 2, 4))):
            part = chance.random()
            if part < 0.8 or target.mutate is mutate_files:  # of several files, one is changed by its kind
                try:
                    data = target.mutate(chance, data)
                except Exception:  # it was too damaged to be taken apart
                    data = mutate_bytes(chance, data)
            else:
                data = atheris.Mutate(data, most) if part < 0.9 else mutate_bytes(chance, data)
        return data[:most]

    valid = list(target.seeds().values())
    options = [f"-seed={seed}", f"-timeout={DEADLOCK}", "-rss_limit_mb=0", f"-max_len={LONGEST}", "-len_control=0"]
    options += [f"-artifact_prefix={folder}/crash-", str(folder / "corpus"), str(folder / "seeds")]
    atheris.Setup([sys.argv[0], *options], one, custom_mutator=mutate)
    atheris.Fuzz()


def campaign(target: Target, folder: Path, runs: int, seconds: float, seed: int) -> Progress:
    """Fuzz a target in processes, one after the other, until there are so many inputs or the time is over."""
    for name in ("corpus", "seeds", "finds"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, content in target.seeds().items():
        (folder / "seeds" / name).write_bytes(content)
    (folder / "progress.json").unlink(missing_ok=True)
    deadline = time.monotonic() + seconds
    for attempt in range(50):
        log = folder / f"log-{attempt}"
        if (process := os.fork()) == 0:
            output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for stream in (1, 2):
                os.dup2(output, stream)
            try:
                fuzz(target, folder, runs, deadline, seed + attempt)
            finally:
                os._exit(1)  # never on into the loop of the parent
        _, status = os.waitpid(process, 0)
        progress = Progress(folder)
        text = log.read_text(errors="replace")
        progress.coverage = max([progress.coverage, *map(int, re.findall(r"cov: (\d+)", text))])
        current = folder / "current"
        if not progress.done:  # it died, or hung
            hung = (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF) or "Timeout:" in text
            kind = "hang" if hung else "crash"
            name = f"{kind}-{attempt}"
            if current.exists():
                current.replace(folder / "finds" / name)
            progress.finds[name] = f"{kind}: status {status}: {_tail(text)}"
            progress.count(f"find: {kind}", HANG if hung else 0.0)
        progress.write()
        if progress.done or time.monotonic() > deadline:
            break
    return progress


def _tail(text: str) -> str:
    told = [line for line in text.splitlines() if line and not re.match(r"#\d+\s+(NEW|REDUCE|pulse|INITED)", line)]
    return " | ".join(told[-12:])[:500]


def row_of(work: tuple[str, Path, int, float, float, int]) -> dict:
    """Fuzz a target for its share of the time that is left, and say what came of it."""
    name, folder, runs, end, share, seed = work
    progress = campaign(TARGETS[name], folder, runs, max((end - time.monotonic()) * share, 1.0), seed)
    outcomes = "; ".join(f"{kind} {count}" for kind, count in sorted(progress.outcomes.items()))
    print(f"{name}: {progress.inputs} inputs in {progress.seconds:.0f} s; {outcomes}", flush=True)
    for signature, sentence in progress.finds.items():
        print(f"    {signature} {sentence}", flush=True)
    return {
        "target": name,
        "inputs": progress.inputs,
        "seconds": f"{progress.seconds:.0f}",
        "slowest_s": f"{progress.slowest:.2f}",
        "edges": progress.coverage,
        "outcomes": outcomes,
        "finds": len(progress.finds),
        "seed": seed,
        "version": __version__,
        "atheris": version("atheris"),
        "machine": machine(),
    }
