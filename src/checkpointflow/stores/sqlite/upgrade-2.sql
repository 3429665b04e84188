-- Version 2: who drives a store, what could not be driven where, and indexes that find what is due.

CREATE TABLE backoffs (
  run_id TEXT NOT NULL,
  pool TEXT NOT NULL,
  tries INTEGER NOT NULL,
  next_try_at TEXT NOT NULL,
  error TEXT NOT NULL,
  PRIMARY KEY (run_id, pool)
);

CREATE TABLE drivers (
  kind TEXT NOT NULL,
  pool TEXT NOT NULL,
  holder TEXT NOT NULL,
  host TEXT NOT NULL,
  pid INTEGER NOT NULL,
  at TEXT NOT NULL,
  PRIMARY KEY (kind, pool, holder)
);

CREATE INDEX waits_due ON waits (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX inbox_accepted ON inbox (run_id) WHERE state = 'accepted';
