"""The page on a shared store, typed at two machines: two state folders and one database."""

from __future__ import annotations

from pathlib import Path

from architecture.pages import ROOT
from pages.runner import Session

PAGE = ROOT / "docs" / "how-to" / "share-a-store-with-postgresql.md"
SAID = "export CPF_STORE='postgresql://ada@db.example.org/workflows'"
NOT_TYPED = frozenset(
    {
        "pip install 'checkpointflow[postgres]'",
        "createdb --host db.example.org --username ada workflows",
    }
)


def test_the_page_on_a_shared_store_runs_as_it_is_written(tmp_path: Path, postgres_url: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.count(SAID) == 2
    assert all(line in text for line in NOT_TYPED)
    first, second, rest = text.split(SAID)
    ours = f"export CPF_STORE='{postgres_url}'"
    page = tmp_path / "page.md"
    page.write_text(f"{first}{ours}{second}{ours} CPF_HOME=$HOME/second{rest}", encoding="utf-8")
    session = Session(tmp_path / "home", not_typed=NOT_TYPED)
    session.run(page)
    assert len(session.typed) == 7
    assert not (tmp_path / "home" / ".checkpointflow" / "runs.db").exists()
    assert not (tmp_path / "home" / "second" / "runs.db").exists()
