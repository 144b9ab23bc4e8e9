"""Which parts of a config may run without being trusted."""

import ast
import functools
import hashlib
import inspect
import json
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from ichmonai.digests import sha256_of_file
from ichmonai.paths import bundle_root
from ichmonai.release.bundle import code_files
from ichmonai.release.configs import built_configs


class Part(NamedTuple):
    """One thing that a config would do.

    Attributes:
        kind: `import`, `expression`, `target`, `macro`, `mode` or `value`.
        place: where it stands, ids with `#` between.
        text: as it is written.
        refusal: why it is not allowed unless trusted; empty where it is.
    """

    kind: str
    place: str
    text: str
    refusal: str


_REFERENCE = re.compile(r"@\w*(?:::\w*)*")  # as MONAI's ReferenceResolver has it
_MODULES = re.compile(
    r"monai\.(transforms|networks\.(nets|blocks|layers)|losses|inferers|metrics|optimizers|data|engines|handlers)\b"
    r"|torch\.(nn|optim)\b|ignite\.handlers\b|ichmonai\.(transforms|networks)\b"
)
_DENIED = re.compile(
    r"(Load|Save|Write|Rand)?(Image|Lambda)(d|D|Dict)?$"  # read, write or call what their arguments name
    r"|.*(Reader|Writer|Saver|Loader|Downloader|ExecOptions|Manager)$"
    r"|(Persistent|CacheNTrans|LMDB|GDS|NPZDict|CSV|ZipSplit|Folder)\w*$"  # unpickle what lies in their folders
    r"|(TorchVision|TorchIO|Callable)\w*|\w*(MLFlow|ClearML)\w*"
)
_ALLOWED_ALL_THE_SAME = {"monai.data.DataLoader", "monai.data.ThreadDataLoader"}
_FUNCTIONS = {"abs", "bool", "float", "int", "len", "list", "max", "min", "round", "str", "tuple"}
_MODES = ("default", "callable")
_LARGEST = 2**16
_NODES = (
    *(ast.Expression, ast.Constant, ast.Name, ast.Load, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp),
    *(ast.List, ast.Tuple, ast.Dict, ast.Subscript, ast.Slice, ast.Call, ast.Starred, ast.keyword),
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.USub, ast.UAdd, ast.Not, ast.And, ast.Or),
    *(ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Is, ast.IsNot, ast.In, ast.NotIn),
)


def parts(config: Any, place: str = "") -> Iterator[Part]:
    """All that a config would import, call or evaluate, as it is written, in its order.

    Args:
        config: as read from a file, or merged from several.
        place: ids that lead to it.
    """
    if isinstance(config, dict):
        for key, value in config.items():
            name = str(key)
            inner = f"{place}#{name}" if place else name
            last = _last(name)
            if last == "_target_":
                yield Part("target", place or inner, str(value), _judge_target(value))
            elif last in ("_mode_", "_debug_"):
                wrong = last == "_debug_" or value not in _MODES
                yield Part("mode", inner, str(value), "starts a debugger" if wrong else "")
            else:
                yield from parts(value, inner)
    elif isinstance(config, list):
        for number, value in enumerate(config):
            yield from parts(value, f"{place}#{number}")
    elif isinstance(config, str) and config.startswith("$"):
        is_import = re.match(r"\$(import|from)\b", config)
        yield Part("import" if is_import else "expression", place, config, _judge_expression(config))
    elif isinstance(config, str) and config.startswith("%"):
        file = not re.match(r"%(#|::|[\w#:]+$)", config) or re.search(r"\.(json|ya?ml)\b", config, re.IGNORECASE)
        yield Part("macro", place, config, "brings in another file" if file else "")


def _last(key: str) -> str:
    """Where a key leads: configs laid over others name entries within entries."""
    return re.split(r"#|::", key)[-1].lstrip("+~")


def _judge_target(target: Any) -> str:
    if not isinstance(target, str) or not re.fullmatch(r"[A-Za-z_][\w.]*", target):
        return "is computed, and cannot be known before it runs"
    if target in _own().targets:
        return ""
    if "." not in target:
        return _judge_bare(target)
    module, _, name = target.rpartition(".")
    return _judge_class(module, name)


def _judge_bare(name: str) -> str:
    """MONAI finds names without a module in its own modules."""
    from monai.bundle import ComponentLocator

    modules = _locator(ComponentLocator).get_component_module_name(name)
    if not modules:
        return "is no name that MONAI has"
    return _judge_class(modules if isinstance(modules, str) else modules[0], name)


@functools.cache
def _locator(kind: Any) -> Any:
    import monai.bundle  # noqa: F401  which loads all of them

    return kind()


def _judge_class(module: str, name: str) -> str:
    """Only a class of a module's own, named without a detour: `monai.utils.misc.os.system` would be found as well."""
    if not _MODULES.match(module) or not name[:1].isupper():
        return "is not among what is known to be harmless"
    if _DENIED.match(name) and f"{module}.{name}" not in _ALLOWED_ALL_THE_SAME:
        return "reads, writes or calls what its arguments name"
    try:
        found = getattr(import_module(module), name, None)
    except ImportError:
        return "does not exist"
    if not inspect.isclass(found) or not _MODULES.match(found.__module__):
        return "is no class of the library that it is said to be of"
    return ""


def _judge_expression(text: str) -> str:
    if text.replace("#", "::") in _own().expressions:
        return ""
    if re.match(r"\$\s*(import|from)\b", text):
        return "imports what the bundle names"
    plain = _REFERENCE.sub("reference_", text[1:].replace("#", "::"))
    if re.fullmatch(r"torch\.device\((['\"])(cpu|mps|cuda(:\d+)?)\1\)", plain):
        return ""
    try:
        tree = ast.parse(plain, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return "is not readable as an expression"
    for node in ast.walk(tree):
        if not isinstance(node, _NODES):
            return f"has a {type(node).__name__.lower()}, which can reach any code"
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS):
            return "calls more than arithmetic needs"
        if isinstance(node, ast.Name) and node.id not in _FUNCTIONS | {"reference_"}:
            return f"names {node.id}"
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            if "reference_" in str(node.value):  # MONAI puts quotes there
                return "has a reference inside of a text"
        elif isinstance(node, ast.Constant) and isinstance(node.value, int | float) and abs(node.value) > _LARGEST:
            return "has a number beyond reason"
    if sum(isinstance(node, ast.Mult) for node in ast.walk(tree)) > 2:
        return "multiplies more than twice"
    return ""


class _Own(NamedTuple):
    digests: frozenset[str]
    targets: frozenset[str]
    expressions: frozenset[str]


@functools.cache
def _own() -> _Own:
    """What this package's own configs consist of."""
    files = sorted((bundle_root() / "configs").glob("*.json"))
    texts: dict[str, set[str]] = {"targets": set(), "expressions": set()}

    def collect(config: Any) -> None:
        if isinstance(config, dict):
            texts["targets"] |= {str(value) for key, value in config.items() if _last(key) == "_target_"}
            config = list(config.values())
        if isinstance(config, list):
            for value in config:
                collect(value)
        elif isinstance(config, str) and config.startswith("$"):
            texts["expressions"].add(config.replace("#", "::"))  # as MONAI writes ids

    for file in files:
        collect(json.loads(file.read_text(encoding="utf-8")))
    built = (hashlib.sha256(content).hexdigest() for content in built_configs(bundle_root() / "configs").values())
    return _Own(
        frozenset([*map(sha256_of_file, [*files, *(bundle_root() / "configs").glob("*.conf")]), *built]),
        frozenset(texts["targets"]),
        frozenset(texts["expressions"]),
    )


def is_own(digest: str) -> bool:
    """Whether a file of this digest is, byte for byte, one of this package's own configs, here or built."""
    return digest in _own().digests


@functools.cache
def _own_code() -> frozenset[str]:
    return frozenset(map(sha256_of_file, code_files().values()))


def is_own_code(digest: str) -> bool:
    """Whether a file of this digest is, byte for byte, one of those of this package that a built bundle carries."""
    return digest in _own_code()


def all_own(files: list[Path]) -> bool:
    """Whether all files are."""
    return all(is_own(sha256_of_file(file)) for file in files)
