"""Turn the official CEL conformance data into the facts that `tests/unit/expressions` checks.

Run it where npm and node are installed: `python scripts/cel_vectors.py`. It fetches the npm package
`@bufbuild/cel-spec`, keeps the sections that concern JSON values, and writes name, expression,
bindings and expected value of each vector.
"""

from __future__ import annotations

import json
import math
import subprocess
import tempfile
from pathlib import Path
from typing import Any

PACKAGE = "@bufbuild/cel-spec"
TARGET = Path(__file__).parents[1] / "tests" / "unit" / "expressions" / "cel_vectors.json"
SECTIONS: dict[str, tuple[str, ...]] = {
    "basic": (),
    "comparisons": (
        "eq_literal",
        "ne_literal",
        "lt_literal",
        "gt_literal",
        "lte_literal",
        "gte_literal",
        "in_list_literal",
        "in_map_literal",
        "bound",
    ),
    "conversions": ("double", "dyn", "int", "string", "bool", "identity"),
    "fields": ("map_fields", "map_has", "quoted_map_fields", "in"),
    "fp_math": (),
    "integer_math": ("int64_math", "uint64_math"),
    "lists": (),
    "logic": (),
    "macros": (),
    "parse": ("nest", "repeat", "string_literals", "whitespace", "comments", "selectors"),
    "plumbing": ("eval_results",),
    "string": ("size", "starts_with", "ends_with", "concatenation", "contains"),
}
# Functions, types and literals that JSON has no values for, and what no document can declare.
FOREIGN = (
    "TestAllTypes", "google.protobuf", "timestamp(", "duration(", "bytes(", "uint(", "type(", "b'", 'b"', "B'",
    "optional", "cel.", ".?", "matches(", "proto2", "proto3", "GlobalEnum",
)  # fmt: skip
EXTRACT = "console.log(JSON.stringify(require(process.argv[1]).tests))"


def main() -> None:
    """Write the facts and say how many there are."""
    with tempfile.TemporaryDirectory() as folder:
        version, suites = fetched(Path(folder))
    facts = [fact for suite in suites for fact in facts_of(suite, ())]
    header = {
        "source": f"npm package {PACKAGE} {version}: conformance test data of the CEL specification",
        "license": "Apache-2.0",
        "made_by": "scripts/cel_vectors.py",
    }
    lines = ",\n".join(json.dumps(fact, ensure_ascii=False) for fact in facts)
    head = json.dumps(header, ensure_ascii=False)[:-1]
    TARGET.write_text(f'{head}, "vectors": [\n{lines}\n]}}\n', encoding="utf-8")
    print(f"{len(facts)} vectors in {TARGET}")


def fetched(folder: Path) -> tuple[str, list[dict[str, Any]]]:
    """Return the version of the package and its suites."""
    packed = subprocess.run(["npm", "pack", PACKAGE], cwd=folder, check=True, capture_output=True, text=True)
    subprocess.run(["tar", "xzf", packed.stdout.split()[-1]], cwd=folder, check=True)
    package = folder / "package"
    version = json.loads((package / "package.json").read_text())["version"]
    data = package / "dist" / "cjs" / "testdata" / "conformance.js"
    printed = subprocess.run(["node", "-e", EXTRACT, str(data)], check=True, capture_output=True, text=True)
    return version, json.loads(printed.stdout)["suites"]


def facts_of(suite: dict[str, Any], above: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the facts of a suite and of those inside it that are wanted."""
    path = (*above, suite["name"])
    wanted = path[0] in SECTIONS and (len(path) < 2 or not SECTIONS[path[0]] or path[1] in SECTIONS[path[0]])
    if not wanted:
        return []
    facts = [fact for inner in suite.get("suites", ()) for fact in facts_of(inner, path)]
    for test in suite.get("tests", ()):
        fact = fact_of(test["original"], path)
        if fact is not None:
            facts.append(fact)
    return facts


def fact_of(test: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any] | None:
    """Return one fact, None for a vector about values that JSON does not have."""
    if any(word in test["expr"] for word in FOREIGN) or test.get("container") or test.get("checkOnly"):
        return None
    fact: dict[str, Any] = {"name": "/".join((*path, test["name"])), "expr": test["expr"]}
    try:
        if test.get("bindings"):
            fact["bindings"] = {name: plain(bound["value"]) for name, bound in test["bindings"].items()}
        if "evalError" in test:
            fact["error"] = True
        else:
            fact["value"] = plain(test.get("value", test.get("typedResult", {}).get("result", {"boolValue": True})))
    except LookupError:
        return None
    return fact


def plain(value: dict[str, Any]) -> Any:
    """Return the JSON value of a CEL value.

    Raises:
        LookupError: JSON has none.
    """
    ((kind, inner),) = value.items()
    if kind == "listValue":
        return [plain(item) for item in inner.get("values", ())]
    if kind == "mapValue":
        return {text_key(entry["key"]): plain(entry["value"]) for entry in inner.get("entries", ())}
    if kind in ("int64Value", "uint64Value"):
        return int(inner)
    if kind == "doubleValue" and math.isfinite(float(inner)):
        return float(inner)
    if kind in ("stringValue", "boolValue", "nullValue"):
        return None if kind == "nullValue" else inner
    raise LookupError(kind)


def text_key(key: dict[str, Any]) -> str:
    """Return the key of a map's entry.

    Raises:
        LookupError: it is no text.
    """
    text: str = key["stringValue"]
    return text


if __name__ == "__main__":
    main()
