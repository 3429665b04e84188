"""The page on settings: the variables that are read, and those that commands are given."""

from __future__ import annotations

from checkpointflow.config import VARIABLES
from checkpointflow.steps.base import GIVEN_VARIABLES
from reference_pages.markdown import code, page, table


def settings_page() -> str:
    """Return the page."""
    return page(
        "Settings",
        "There is no file of settings. What holds for one run stands in its document, what holds for one command in "
        "its words, and what holds for a place in variables of the environment. An empty variable counts as unset.\n",
        "## Variables that are read\n",
        table(
            ["variable", "says", "without it"],
            [[code(name), told.meaning, told.default] for name, told in VARIABLES.items()],
        ),
        "The proxy's variables, `ALL_PROXY` and `NO_PROXY` included, are also read in lower case, which comes first. "
        "Variables that hold [secrets](../how-to/keep-a-secret.md) are named in the document.\n",
        "## Variables that commands are given\n",
        "Every process of a step inherits the environment of `cpf`, with `env` of the step and these:\n",
        table(["variable", "holds"], [[code(name), told] for name, told in GIVEN_VARIABLES.items()]),
        "`CPF_VALUE_1` and so on carry the values of a command's `${…}`, see [places in commands](shell-places.md).\n",
    )
