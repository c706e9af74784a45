/**
 * `ledger.db`, version 1. A block is what one commit wrote of one stream. What is behind the retention is gone, and `base` has for each
 * stream what was signed of the last record that went (`TruncationPoint`), which the rest is verified from. `posting` finds blocks by `key:…`, `owner:…`,
 * `code:…` and `route:…`; it is filled just behind the blocks, a span of them at a time, up to `indexed`, and holds nothing that they do
 * not. Its rows lie span by span (`until` is the last block of one), so that filling it appends: with the term first, a span of as many
 * keys as records would touch a page for each.
 */
export const ledgerSchema = `
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
