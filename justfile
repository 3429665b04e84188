# The front door: `just` runs every check. Tools come from the repository's own .venv (scripts/setup).

export PATH := justfile_directory() / ".venv" / (if os_family() == "windows" { "Scripts;" } else { "bin:" }) + env("PATH")

# format, lint, types, layers, tests
all: format lint types layers test

# formatting is as ruff writes it
format:
    ruff format --check

# rewrite what formatting and lint can rewrite
fix:
    ruff format
    ruff check --fix

lint:
    ruff check

types:
    mypy

layers:
    lint-imports --no-cache

# the whole test run, in four processes: many tests wait for others; arguments go to pytest
test *ARGS:
    pytest -n 4 {{ ARGS }}

# the wheel, built and tried in an environment that holds nothing else
smoke:
    python scripts/smoke.py

# crashes of real processes: every write of every way through every example, and of the store
crash *ARGS:
    CPF_EVERY_COMMIT=1 pytest -n auto tests/crash {{ ARGS }}

# many processes at two stores, killed at random, then all is checked; a number is the minutes, `STORE=postgres` a server
torture *WORDS:
    PYTHONPATH=tests python -m torture {{ WORDS }}

# three workers of a team in PostgreSQL and on Temporal, killed at random; `RUNS=60`, `ON=postgres` or `ON=temporal` for one
chaos *WORDS:
    PYTHONPATH=tests python -m chaos {{ WORDS }}

# a longer run of the seeded simulation
simulate SEEDS="20000" FIRST="0":
    CPF_SEEDS={{ SEEDS }} CPF_FIRST_SEED={{ FIRST }} pytest -n auto tests/simulation

# faults put in on purpose: each has to be noticed by the tests that its patch names; words choose some
mutants *WORDS:
    python scripts/mutants.py {{ WORDS }}

# ratios to raw limits; `PEERS=1` to other engines, too; `QUICK=1` ends within two minutes; words choose pieces
bench *ARGS:
    python -m bench {{ ARGS }}

# write the generated reference pages anew; also `just reference`
docs:
    python scripts/reference.py

alias reference := docs
