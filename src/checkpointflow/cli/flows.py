"""The workflows that lie in folders where they are found by id or name; running them is not known here."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from checkpointflow.errors import CheckpointflowError, FileMissingError, UsageError
from checkpointflow.records import dataclass
from checkpointflow.values import JsonObject, JsonValue

if TYPE_CHECKING:
    from checkpointflow.config import Settings
    from checkpointflow.frontends.document.loader import Loaded

PROJECT_FOLDER = ".checkpointflow"
SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Flow:
    """One file of a folder of workflows; `place` is `project` for the working folder's, `user` for the base's."""

    file: Path
    place: Literal["project", "user"]
    cwd: str

    @cached_property
    def header(self) -> JsonObject | None:
        """The `workflow` of the file as written; None if it cannot be read, `{}` if the file is something else."""
        from checkpointflow.frontends.document.strict_yaml import MAX_BYTES, decode, parse
        from checkpointflow.frontends.document.yaml_problems import SyntaxProblem

        try:
            with self.file.open("rb") as opened:
                tree: JsonValue = parse(decode(opened.read(MAX_BYTES + 1))).tree
        except (OSError, SyntaxProblem):
            return None
        workflow = tree.get("workflow") if isinstance(tree, dict) else None
        if isinstance(workflow, dict):
            return workflow
        return None if isinstance(tree, dict) and "schema_version" in tree else {}

    def has(self, field: str, text: str) -> bool:
        """Tell whether a field of the header is this text."""
        return (self.header or {}).get(field) == text

    @property
    def names(self) -> list[str]:
        """What the workflow is found by: its id, and its name if it has one."""
        header = self.header or {}
        return [name for name in (header.get("id"), header.get("name")) if isinstance(name, str)]

    def load(self) -> Loaded:
        """Return the document, checked.

        Raises:
            CheckpointflowError: as the loader says.
        """
        from checkpointflow.frontends.document.loader import load_file

        return load_file(self.file, cwd=self.cwd)


def folders(settings: Settings) -> list[tuple[Literal["project", "user"], Path]]:
    """Return the folders that are looked through, in order; they may not exist.

    `./.checkpointflow` comes first, then the base folder; of each, the folder itself and `workflows` in it.
    """
    project, base = Path(settings.cwd) / PROJECT_FOLDER, settings.home
    roots: list[tuple[Literal["project", "user"], Path]] = [("project", project)]
    if project.resolve() != base.resolve():
        roots.append(("user", base))
    return [(place, folder) for place, root in roots for folder in (root, root / "workflows")]


def found(settings: Settings) -> list[Flow]:
    """Return the workflows in the order in which they are found, those that cannot be read among them."""
    flows = [Flow(file, place, settings.cwd) for place, folder in folders(settings) for file in _files(folder)]
    return [flow for flow in flows if flow.header != {}]


def named(settings: Settings, name: str) -> Flow | None:
    """Return the workflow with an id, or else a name; the project's before the user's.

    Raises:
        UsageError: several files of one place have it.
    """
    flows = found(settings)
    for place in ("project", "user"):
        for field in ("id", "name"):
            fitting = [flow for flow in flows if flow.place == place and flow.has(field, name)]
            if len(fitting) > 1:
                files = ", ".join(f"`{flow.file}`" for flow in fitting)
                raise UsageError(f"several files hold a workflow `{name[:80]}`: {files}; name the file itself")
            if fitting:
                return fitting[0]
    return None


def missing(settings: Settings, name: str) -> FileMissingError:
    """Return the error for a name that is neither a file nor a workflow's, with the one that was likely meant."""
    from checkpointflow.cli.arguments import nearest

    close = nearest(name, [known for flow in found(settings) for known in flow.names])
    hint = f"did you mean `{close}`?" if close else "`cpf flows` lists the workflows that have an id here"
    return FileMissingError(f"`{name[:200]}` is no file here, and no workflow has that id or name", hint=hint)


def summary(flow: Flow) -> JsonObject:
    """Return a workflow as a list shows it: what it is, where it lies, and whether it can be run."""
    header = flow.header or {}
    texts = {"workflow_id": "id", "workflow_name": "name", "workflow_version": "version", "description": "description"}
    shown: JsonObject = {key: header[name] for key, name in texts.items() if isinstance(header.get(name), str)}
    shown |= {"file": str(flow.file), "place": flow.place}
    try:
        return shown | {"valid": True, "problems": list(flow.load().problems)}
    except CheckpointflowError as error:
        return shown | {"valid": False, "problems": _problems(error), "message": error.message}


def _problems(error: CheckpointflowError) -> list[JsonValue]:
    problems = getattr(error, "problems", None) or error.details.get("problems")
    return list(problems) if isinstance(problems, list) else []


def _files(folder: Path) -> Iterator[Path]:
    from checkpointflow.testing.beside import is_case_file

    try:
        names = sorted(folder.iterdir())
    except OSError:
        return
    yield from (file for file in names if file.suffix in SUFFIXES and file.is_file() and not is_case_file(file))
