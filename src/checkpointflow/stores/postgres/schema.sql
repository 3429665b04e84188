-- Version 1. The journal and the inbox are the truth; runs, labels and waits are derived from the journal.
-- Text is compared byte by byte; what PostgreSQL's text cannot hold is escaped (see texts.py).

CREATE TABLE runs (
  run_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  status TEXT COLLATE "C" NOT NULL,
  length BIGINT NOT NULL,
  workflow_id TEXT COLLATE "C" NOT NULL,
  workflow_name TEXT,
  workflow_version TEXT,
  definition TEXT COLLATE "C" NOT NULL,
  source_path TEXT,
  labels TEXT NOT NULL,
  cwd TEXT NOT NULL,
  started_at TEXT COLLATE "C" NOT NULL,
  updated_at TEXT COLLATE "C" NOT NULL,
  current_key TEXT,
  waits_opened BIGINT NOT NULL,
  error TEXT
) WITH (fillfactor = 70);
CREATE INDEX runs_newest ON runs (started_at, run_id);
CREATE INDEX runs_open ON runs (run_id) WHERE status = 'open';

CREATE TABLE labels (
  run_id TEXT COLLATE "C" NOT NULL,
  key TEXT COLLATE "C" NOT NULL,
  value TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (run_id, key)
);

CREATE TABLE journal (
  run_id TEXT COLLATE "C" NOT NULL,
  position BIGINT NOT NULL,
  name TEXT NOT NULL,
  at TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (run_id, position)
);

CREATE TABLE blobs (
  digest TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  data TEXT NOT NULL
);

CREATE TABLE definitions (
  hash TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  body TEXT NOT NULL
);

CREATE TABLE waits (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id TEXT COLLATE "C" NOT NULL,
  key TEXT COLLATE "C" NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  wait_id TEXT COLLATE "C",
  event_name TEXT COLLATE "C",
  audience TEXT,
  opened_at TEXT COLLATE "C" NOT NULL,
  due_at TEXT COLLATE "C",
  request TEXT NOT NULL
);
CREATE INDEX waits_of_run ON waits (run_id, key);
CREATE INDEX waits_due ON waits (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE inbox (
  number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id TEXT COLLATE "C" NOT NULL,
  event_id TEXT COLLATE "C" NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  wait_id TEXT COLLATE "C",
  payload TEXT NOT NULL,
  actor TEXT,
  at TEXT NOT NULL,
  state TEXT COLLATE "C" NOT NULL,
  UNIQUE (run_id, event_id)
);
CREATE UNIQUE INDEX inbox_answers ON inbox (run_id, wait_id) WHERE wait_id IS NOT NULL;
CREATE INDEX inbox_states ON inbox (run_id, state);
CREATE INDEX inbox_accepted ON inbox (run_id) WHERE state = 'accepted';

-- `pool` is whose workers drive the run; NULL: any.
CREATE TABLE holds (
  run_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  holder TEXT COLLATE "C",
  epoch BIGINT NOT NULL,
  host TEXT,
  pid BIGINT,
  since TEXT,
  pool TEXT COLLATE "C"
);

CREATE TABLE backoffs (
  run_id TEXT COLLATE "C" NOT NULL,
  pool TEXT COLLATE "C" NOT NULL,
  tries BIGINT NOT NULL,
  next_try_at TEXT COLLATE "C" NOT NULL,
  error TEXT NOT NULL,
  PRIMARY KEY (run_id, pool)
);

CREATE TABLE drivers (
  kind TEXT COLLATE "C" NOT NULL,
  pool TEXT COLLATE "C" NOT NULL,
  holder TEXT COLLATE "C" NOT NULL,
  host TEXT NOT NULL,
  pid BIGINT NOT NULL,
  at TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (kind, pool, holder)
);

-- What steps printed: a row once all of it is here, and its bytes in chunks.
CREATE TABLE outputs (
  run_id TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  size BIGINT NOT NULL,
  PRIMARY KEY (run_id, name)
);

CREATE TABLE output_chunks (
  run_id TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  number BIGINT NOT NULL,
  data BYTEA NOT NULL,
  PRIMARY KEY (run_id, name, number)
);
