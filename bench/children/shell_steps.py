"""Steps that run `true` in a shell; words: HOME COUNT row|1|2, the last being a `foreach`'s `max_parallel`."""

from __future__ import annotations

import json
import sys
import time

from checkpointflow import Store
from checkpointflow.frontends.document.loader import load_text
from checkpointflow.values import JsonValue

HEAD = "schema_version: checkpointflow/v1\nworkflow:\n  id: shells\n  inputs: {type: object}\n  steps:\n"
STEP = "    - {{id: s{0}, kind: cli, command: 'true'}}\n"
EACH = """    - id: each
      kind: foreach
      items: inputs.items
      max_parallel: {0}
      body: [{{id: one, kind: cli, command: 'true'}}]
"""


def main(home: str, count: int, form: str) -> None:
    """Run the document once, and print how fast that went."""
    steps = "".join(STEP.format(number) for number in range(count)) if form == "row" else EACH.format(form)
    loaded = load_text(HEAD + steps, source_path=None, cwd="/")
    items: list[JsonValue] = [*range(count)]
    with Store(home) as store:
        begun = time.perf_counter()
        view = store.runs().run(loaded, {} if form == "row" else {"items": items})
        wall = time.perf_counter() - begun
        assert view.status == "completed", view
    print(json.dumps({"per_second": count / wall}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
