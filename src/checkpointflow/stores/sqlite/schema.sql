-- Version 1 of runs.db. The journal and the inbox are the truth; runs, labels and waits are derived from the journal.

CREATE TABLE runs (
  run_id TEXT NOT NULL PRIMARY KEY,
  status TEXT NOT NULL,
  length INTEGER NOT NULL,
  workflow_id TEXT NOT NULL,
  workflow_name TEXT,
  workflow_version TEXT,
  definition TEXT NOT NULL,
  source_path TEXT,
  labels TEXT NOT NULL,
  cwd TEXT NOT NULL,
  started_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  current_key TEXT,
  waits_opened INTEGER NOT NULL,
  error TEXT
);
CREATE INDEX runs_newest ON runs (started_at, run_id);
CREATE INDEX runs_status ON runs (status, started_at, run_id);

CREATE TABLE labels (
  run_id TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (run_id, key)
) WITHOUT ROWID;

CREATE TABLE journal (
  id INTEGER PRIMARY KEY,
  run_id TEXT NOT NULL,
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  at TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (run_id, position)
);

CREATE TABLE blobs (
  digest TEXT NOT NULL PRIMARY KEY,
  data TEXT NOT NULL
);

CREATE TABLE definitions (
  hash TEXT NOT NULL PRIMARY KEY,
  body TEXT NOT NULL
);

CREATE TABLE waits (
  id INTEGER PRIMARY KEY,
  run_id TEXT NOT NULL,
  key TEXT NOT NULL,
  kind TEXT NOT NULL,
  wait_id TEXT,
  event_name TEXT,
  audience TEXT,
  opened_at TEXT NOT NULL,
  due_at TEXT,
  request TEXT NOT NULL
);
CREATE INDEX waits_of_run ON waits (run_id, key);

CREATE TABLE inbox (
  number INTEGER PRIMARY KEY,
  run_id TEXT NOT NULL,
  event_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  wait_id TEXT,
  payload TEXT NOT NULL,
  actor TEXT,
  at TEXT NOT NULL,
  state TEXT NOT NULL,
  UNIQUE (run_id, event_id)
);
CREATE UNIQUE INDEX inbox_answers ON inbox (run_id, wait_id) WHERE wait_id IS NOT NULL;
CREATE INDEX inbox_states ON inbox (run_id, state);

CREATE TABLE holds (
  run_id TEXT NOT NULL PRIMARY KEY,
  holder TEXT,
  epoch INTEGER NOT NULL,
  host TEXT,
  pid INTEGER,
  since TEXT
);
