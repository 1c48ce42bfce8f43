"""What COPY takes: sources of the build context (or of an earlier stage) laid out at their places in the image."""

from __future__ import annotations

import fnmatch
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from deployments.rehearsal.engine.errors import EngineError, Unsupported
from deployments.rehearsal.engine.ignorefile import IgnoreRules
from deployments.rehearsal.engine.layers import FOLDER_MODE, Entry

_EXECUTABLE_MODE, _FILE_MODE = 0o755, 0o644


def collect(
    context: Path, ignore: IgnoreRules, words: list[str], workdir: str, stage_files: Mapping[str, Entry] | None
) -> dict[str, Entry]:
    """Returns the entries of one COPY.

    Args:
        context: The build context.
        ignore: Its ignore rules.
        words: Sources, then the destination.
        workdir: Folder a relative destination starts from.
        stage_files: Files of the stage named by `--from`; None = the context.

    Raises:
        EngineError: A source does not exist or lies outside of the context.
    """
    *sources, destination = words
    if not sources:
        raise EngineError("ERROR: failed to solve: dockerfile parse error: COPY requires at least two arguments")
    tree = dict(_context_files(context, ignore)) if stage_files is None else dict(stage_files)
    into_folder = destination.endswith("/") or destination in {".", "./"} or len(sources) > 1
    base = PurePosixPath(workdir) / destination
    made: dict[str, Entry] = {}
    for source in sources:
        made |= dict(_matching(tree, source, base, into_folder=into_folder))
    made.pop("", None)
    for path in list(made):
        for parent in PurePosixPath(path).parents:
            if str(parent) != ".":
                made.setdefault(str(parent), Entry(None, FOLDER_MODE))
    return made


def _matching(
    tree: Mapping[str, Entry], source: str, base: PurePosixPath, *, into_folder: bool
) -> Iterator[tuple[str, Entry]]:
    if "://" in source:
        raise Unsupported(f"build: ADD {source}")
    parts = [part for part in source.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise EngineError(f"ERROR: failed to solve: {source} is outside of the build context")
    wanted = "/".join(parts)
    is_pattern = any(character in wanted for character in "*?[")
    names = {"/".join(path.split("/")[: len(parts)]) for path in tree} if parts else {""}
    heads = sorted(n for n in names if (fnmatch.fnmatchcase(n, wanted) if is_pattern else n == wanted))
    found = False
    for head in heads:
        exact = tree.get(head)
        if exact is not None and exact.source is not None:
            found = True
            target = base / PurePosixPath(head).name if into_folder or is_pattern else base
            yield _in_image(target), exact
            continue
        for path, entry in tree.items():
            if head in {"", path} or path.startswith(head + "/"):
                found = True
                yield _in_image(base / path[len(head) :].lstrip("/")), entry
    if not found:
        raise EngineError(
            "ERROR: failed to solve: failed to compute cache key: failed to calculate checksum of ref: "
            f'"/{wanted}": not found'
        )


def _context_files(context: Path, ignore: IgnoreRules) -> Iterator[tuple[str, Entry]]:
    for folder, _, files in _walk(context):
        if folder != context and not ignore.leaves_out(folder.relative_to(context).as_posix()):
            yield folder.relative_to(context).as_posix(), Entry(None, FOLDER_MODE)
        for path in files:
            relative = path.relative_to(context).as_posix()
            if not ignore.leaves_out(relative):
                # Only the executable bit counts: the rest depends on the umask of whoever cloned the repository.
                executable = not path.is_symlink() and path.stat().st_mode & stat.S_IXUSR
                yield relative, Entry(path, _EXECUTABLE_MODE if executable else _FILE_MODE)


def _walk(folder: Path) -> Iterator[tuple[Path, list[Path], list[Path]]]:
    """Yields folder, sub-folders and files, sorted (Path.walk came with Python 3.12)."""
    children = sorted(folder.iterdir())
    folders = [path for path in children if path.is_dir() and not path.is_symlink()]
    yield folder, folders, [path for path in children if path.is_file() or path.is_symlink()]
    for child in folders:
        yield from _walk(child)


def _in_image(path: PurePosixPath) -> str:
    return path.as_posix().lstrip("/")
