"""A small chaos on each of the servers; `just chaos` is a larger one, with three workers."""

from __future__ import annotations

from pathlib import Path

from chaos.rounds import chaos
from chaos.teams import Team, on_temporal


def test_workers_share_runs_in_postgresql_and_lose_nothing_when_they_die(tmp_path: Path, database_url: str) -> None:
    lose_nothing(Team(tmp_path, store=database_url, seconds=0))


def test_workers_share_runs_on_temporal_and_lose_nothing_when_they_die(tmp_path: Path) -> None:
    with on_temporal(tmp_path, 0) as team:
        lose_nothing(team)


def lose_nothing(team: Team) -> None:
    """Have all workers killed once while runs wait, which are answered before there are others."""
    figures = chaos(team, 3, seed=1, pause=None, workers=2)
    assert figures.violations == []
    assert (figures.runs, figures.kills, figures.unattended) == (3, 2, 2)
