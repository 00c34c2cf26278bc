-- The first schema. Numbers that are unsigned in the port are stored signed (they are below 2^63). `body`, `input` and
-- `result` are JSON, compressed where that pays. States and the like are numbers, named in src/codec.rs.

CREATE TABLE doc (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT;

-- What moves with every claim is apart from the input, so that a claim rewrites a short row.
CREATE TABLE task (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    run TEXT NOT NULL,
    stage TEXT NOT NULL,
    queue TEXT NOT NULL,
    limit_key TEXT NOT NULL,
    state INTEGER NOT NULL,
    open INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    owner TEXT NOT NULL,
    renewal INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    nonce INTEGER NOT NULL
) STRICT;
-- Paging a run.
CREATE INDEX task_of_run ON task (run, id);
-- "Is some task of the stage open?", and the counts.
CREATE INDEX task_of_stage ON task (run, stage, open, state);
-- The ready ones in order of id, and what the sweep walks. Without the partial clause it would hold every task ever done.
CREATE INDEX task_open ON task (run, state, id, not_before) WHERE open = 1;
-- The next due time.
CREATE INDEX task_due ON task (run, not_before) WHERE state = 0;

CREATE TABLE task_body (
    task INTEGER PRIMARY KEY,
    input BLOB NOT NULL,
    result BLOB
) STRICT;

CREATE TABLE seen (
    run TEXT NOT NULL,
    stage TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    task TEXT NOT NULL,
    PRIMARY KEY (run, stage, fingerprint)
) STRICT, WITHOUT ROWID;

CREATE TABLE batch (
    id TEXT PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;

-- In order of insertion, which is the order of the next crawl too: a bulk of unchanged heads rewrites few pages.
-- An unchanged head's write touches no index: `version`, `seen_gen` and the rest are in none.
CREATE TABLE head (
    n INTEGER PRIMARY KEY,
    ledger TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    hash TEXT NOT NULL,
    wanted INTEGER NOT NULL,
    seen_gen INTEGER NOT NULL,
    changed_gen INTEGER NOT NULL,
    before_hash TEXT,
    before_wanted INTEGER,
    before_gen INTEGER,
    source_rank INTEGER NOT NULL,
    first_gen INTEGER NOT NULL,
    missed INTEGER NOT NULL,
    missed_gen INTEGER NOT NULL,
    held_gen INTEGER NOT NULL,
    UNIQUE (ledger, key)
) STRICT;
-- The walk of a target.
CREATE INDEX head_changed ON head (ledger, changed_gen, key);
-- Live ones by key, and their count.
CREATE INDEX head_live ON head (ledger, key) WHERE wanted = 0;

CREATE TABLE head_body (
    head INTEGER PRIMARY KEY,
    url TEXT NOT NULL,
    fetched_at INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE head_url (
    url TEXT NOT NULL,
    head INTEGER NOT NULL,
    PRIMARY KEY (url, head)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_row (
    target TEXT NOT NULL,
    import TEXT NOT NULL,
    export TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    attention INTEGER NOT NULL,
    posted INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (target, import, export, key)
) STRICT;
CREATE INDEX ledger_row_attention ON ledger_row (target, import, export, key) WHERE attention = 1;
CREATE INDEX ledger_row_posted ON ledger_row (target, import, export) WHERE posted = 1;

CREATE TABLE dead (
    id TEXT PRIMARY KEY,
    import TEXT NOT NULL,
    run TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX dead_of_import ON dead (import, id);
CREATE INDEX dead_of_run ON dead (run, id);
