/**
 * `ledger.db`. A block has the records that one commit wrote of one stream. `base` has,
 * for each stream that retention truncated, the signed statement of the last record dropped
 * (`TruncationPoint`), from which the rest is verified.
 *
 * `posting` finds blocks by `key:…`, `owner:…`, `code:…` and `route:…`. It is derived from the
 * blocks, a segment of them at a time, up to the block in `indexed`. A row belongs to the segment
 * whose last block is `until`. `until` comes first in the key, so that filling the index appends:
 * with the term first, each row of a segment with as many keys as records would touch a page of its
 * own.
 */
const ledgerSchema = `
CREATE TABLE stream (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  opened_at INTEGER NOT NULL
) STRICT;
CREATE TABLE block (
  id INTEGER PRIMARY KEY,
  stream INTEGER NOT NULL REFERENCES stream (number),
  first_seq INTEGER NOT NULL,
  count INTEGER NOT NULL,
  min_at INTEGER NOT NULL,
  max_at INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE INDEX block_by_stream ON block (stream);
CREATE TABLE base (
  stream INTEGER PRIMARY KEY REFERENCES stream (number),
  checkpoint TEXT NOT NULL
) STRICT;
CREATE TABLE posting (
  term TEXT NOT NULL,
  until INTEGER NOT NULL,
  blocks BLOB NOT NULL,
  PRIMARY KEY (until, term)
) STRICT, WITHOUT ROWID;
CREATE TABLE indexed (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  block INTEGER NOT NULL
) STRICT;
INSERT INTO indexed VALUES (1, 0);
`

/**
 * How far the changes of the keys' store had come by the records, those that retention dropped
 * among them: the start compares it with the store, and must not read the whole ledger for that.
 */
const changeSchema = `
CREATE TABLE latest_change (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  change INTEGER NOT NULL
) STRICT;
INSERT INTO latest_change VALUES (1, 0);
`

/**
 * The same number once more, as its complement and on another page: the start must not take older
 * keys for a number that the disk changed.
 */
const complementSchema = `
CREATE TABLE latest_change_again (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  complement INTEGER NOT NULL
) STRICT;
INSERT INTO latest_change_again SELECT 1, ~change FROM latest_change;
`

/** The steps from an empty file to this program's. A released step is never changed. */
export const ledgerSteps: readonly string[] = [ledgerSchema, changeSchema, complementSchema]
