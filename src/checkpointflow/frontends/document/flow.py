"""Checks of where a list of steps can lead: ids, jumps, started steps, what is never reached; no expressions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise

from checkpointflow.frontends.document.findings import DUPLICATE, Findings
from checkpointflow.frontends.document.model import END, Document, Path, Step
from checkpointflow.schemas import did_you_mean
from checkpointflow.values import JsonValue

_EVENT = r"event\.(\w[\w.-]*)"
_LITERAL = r"""(?:"([^"\\]*)"|'([^'\\]*)'|([A-Za-z_]\w*))"""
_EQUAL = re.compile(rf"\s*(?:\$\{{)?\s*{_EVENT}\s*==\s*{_LITERAL}\s*\}}?\s*\Z")


def check_flow(document: Document, findings: Findings) -> None:
    """Report what is wrong with the ids and jumps of a document, and what looks wrong with its order."""
    everywhere = {step.id for step in document.all_steps() if step.id}
    for steps in document.all_lists():
        is_main = steps is document.steps
        entry = document.on_error if is_main else None
        _List(steps, everywhere, entry, findings).check()
    for step in document.all_steps():
        _check_branch_names(step, findings)
        _check_transitions(step, findings)


class _List:
    """One list of steps and what is asked of it."""

    def __init__(self, steps: tuple[Step, ...], everywhere: set[str], entry: str | None, findings: Findings) -> None:
        self._steps = steps
        self._everywhere = everywhere
        self._entry = entry
        self._findings = findings
        self._by_id: dict[str, Step] = {}
        for step in steps:
            if step.id:
                self._by_id.setdefault(step.id, step)
        self._starters = self._find_starters()

    def check(self) -> None:
        self._check_ids()
        self._check_jumps()
        self._check_started()
        self._check_order()

    def _find_starters(self) -> Mapping[str, tuple[Step, Path]]:
        """Which `parallel` starts which step of this list, and where it says so; the first one counts."""
        found: dict[str, tuple[Step, Path]] = {}
        for step in self._steps:
            for path, target in step.started():
                found.setdefault(target, (step, (*step.path, *path)))
        return found

    def _check_ids(self) -> None:
        first: dict[str, Step] = {}
        for step in self._steps:
            if step.id and first.setdefault(step.id, step) is not step:
                message = f"the id `{step.id}` is used twice in this list"
                self._findings.error((*step.path, "id"), message, "rename one of them", code=DUPLICATE)

    def _check_jumps(self) -> None:
        for step in self._steps:
            for path, target in step.jumps():
                self._check_target((*step.path, *path), target)
        if self._entry is not None:
            self._check_target(("workflow", "on_error", "next"), self._entry)

    def _check_target(self, path: Path, target: str) -> None:
        if target in self._starters and target in self._by_id:
            starter = self._starters[target][0].id
            message = f"`{target}` is run by the `start_at` of `{starter}`, so nothing can jump to it"
            self._findings.error(path, message, f"jump to `{starter}`")
        elif target not in self._by_id and target != END:
            self._unknown(path, target)

    def _unknown(self, path: Path, target: str) -> None:
        if target in self._everywhere:
            message, hint = f"the step `{target}` stands in another list; jumps stay in theirs", ""
        else:
            message = f"there is no step `{target}`"
            hint = did_you_mean(target, [*self._by_id, END])
        self._findings.error(path, message, hint or f"steps of this list: {self._names()}")

    def _names(self) -> str:
        names = [f"`{name}`" for name in list(self._by_id)[:12]]
        return ", ".join(names) + (" …" if len(self._by_id) > 12 else "")

    def _check_started(self) -> None:
        for step in self._steps:
            for path, target in step.started():
                self._check_start((*step.path, *path), target, step)

    def _check_start(self, path: Path, target: str, starter: Step) -> None:
        step = self._by_id.get(target)
        if step is None:
            self._unknown(path, target)
        elif step is starter:
            self._findings.error(path, f"`{target}` cannot start itself", "name another step")
        elif step.kind in ("switch", "end"):
            hint = "give the branch an `id` and `steps` of its own"
            self._findings.error(path, f"`start_at` cannot name a step of kind `{step.kind}`", hint)
        elif self._starters[target][1] != path:
            self._findings.error(path, f"`{target}` is a branch already", "a step belongs to one branch only")
        elif self._leads_back(step, starter):
            self._findings.error(path, f"`{target}` starts `{starter.id}` in turn", "a branch cannot hold itself")
        else:
            self._check_started_step(step)

    def _check_started_step(self, step: Step) -> None:
        for path, _ in step.jumps():
            message = f"`{step.id}` is run by `start_at`, so it cannot jump"
            hint = f"remove `{path[0]}`, or give the branch an `id` and `steps` of its own"
            self._findings.error((*step.path, *path), message, hint)

    def _leads_back(self, step: Step, starter: Step) -> bool:
        seen: set[str] = set()
        waiting = [step]
        while waiting:
            current = waiting.pop()
            if current is starter:
                return True
            if current.id not in seen:
                seen.add(current.id)
                waiting.extend(self._by_id[target] for _, target in current.started() if target in self._by_id)
        return False

    # -- order -----------------------------------------------------------------------------------

    def _check_order(self) -> None:
        order = [step for step in self._steps if step.id not in self._starters]
        reached = self._reached(order)
        for step in order:
            if step.id and id(step) not in reached:
                hint = "nothing jumps to it, and the steps before it lead elsewhere"
                self._findings.warning(step.path, f"the step `{step.id}` is never reached", hint)
        for before, step in pairwise(order):
            if id(before) in reached and step.kind == "end":
                self._check_end(before, step)

    def _reached(self, order: list[Step]) -> set[int]:
        following = {id(before): step for before, step in pairwise(order)}
        waiting = order[:1]
        if self._entry in self._by_id:
            waiting.append(self._by_id[self._entry])
        reached: set[int] = set()
        while waiting:
            step = waiting.pop()
            if id(step) in reached:
                continue
            reached.add(id(step))
            waiting.extend(self._by_id[target] for _, target in step.jumps() if target in self._by_id)
            if self._goes_on(step) and id(step) in following:
                waiting.append(following[id(step)])
        return reached

    def _goes_on(self, step: Step) -> bool:
        """Tell whether the next step in the list can follow a step; after an unknown target it is taken to."""
        if step.when is not None or not step.kind:
            return True
        leads_elsewhere = step.next is not None and (step.next in self._by_id or step.next == END)
        return step.kind not in ("end", "switch") and not leads_elsewhere and not is_decided(step)

    def _check_end(self, before: Step, end: Step) -> None:
        jumpers = [step.id for step in self._steps if step is not before and any(t == end.id for _, t in step.jumps())]
        if not jumpers or before.kind in ("end", "switch") or before.next or is_decided(before):
            return
        message = f"`{before.id}` goes on to the end `{end.id}`, which `{jumpers[0]}` also jumps to"
        hint = f"if that is meant, write `next: {end.id}` on `{before.id}`; else give it another `next`"
        self._findings.warning(end.path, message, hint)


def is_decided(step: Step) -> bool:
    """Tell whether a wait's transitions cover every answer, so that none goes on to the next in the list."""
    covered = _covered(step)
    if covered is None:
        return False
    name, options, named = covered
    return name in _names(step, "required") and all(option in named for option in options)


def _check_transitions(step: Step, findings: Findings) -> None:
    covered = _covered(step)
    if covered is None:
        return
    name, options, named = covered
    left = [option for option in options if option not in named]
    path = (*step.path, "transitions")
    if left and step.next is None:
        listed = ", ".join(f"`{option}`" for option in left)
        hint = "without one, the next step in the list follows; say so with `next`"
        findings.warning(path, f"no transition is taken when `{name}` is {listed}", hint, at_key=True)
    for option in named:
        if option not in options:
            hint = did_you_mean(option, [str(known) for known in options])
            findings.warning(path, f"`{name}` is never `{option}`, says `input_schema`", hint, at_key=True)


def _covered(step: Step) -> tuple[str, list[JsonValue], list[str]] | None:
    """The one property with an enum that all transitions compare, its values, and those that are compared."""
    conditions = list(_conditions(step))
    found = [_EQUAL.match(condition) for condition in conditions]
    if not found or not all(found):
        return None
    matches = [match for match in found if match]
    names = {match.group(1) for match in matches}
    name = names.pop()
    options = _enum(step, name)
    if names or not options:
        return None
    return name, options, [next(part for part in match.groups()[1:] if part is not None) for match in matches]


def _conditions(step: Step) -> Iterator[str]:
    transitions = step.fields.get("transitions")
    for case in transitions if isinstance(transitions, list) else []:
        when = case.get("when") if isinstance(case, dict) else None
        yield when if isinstance(when, str) else ""


def _enum(step: Step, name: str) -> list[JsonValue]:
    properties = _names(step, "properties")
    declared = properties.get(name) if isinstance(properties, dict) else None
    options = declared.get("enum") if isinstance(declared, dict) else None
    return options if isinstance(options, list) and all(isinstance(option, str) for option in options) else []


def _names(step: Step, keyword: str) -> dict[str, JsonValue] | list[JsonValue]:
    schema = step.fields.get("input_schema")
    value = schema.get(keyword) if isinstance(schema, dict) else None
    return value if isinstance(value, dict | list) else []


def _check_branch_names(step: Step, findings: Findings) -> None:
    branches = step.fields.get("branches")
    seen: dict[str, str] = {}
    for index, branch in enumerate(branches if isinstance(branches, list) else []):
        key = "start_at" if isinstance(branch, dict) and "start_at" in branch else "id"
        name = branch.get(key) if isinstance(branch, dict) else None
        if not isinstance(name, str):
            continue
        if "id" in (key, seen.get(name)) and name in seen:  # that a step starts twice is told elsewhere
            message = f"the name `{name}` is used for two branches of `{step.id}`"
            findings.error((*step.path, "branches", index, key), message, "rename one of them", code=DUPLICATE)
        seen[name] = key
