/** A value of a row on its way from a data folder into a fleet's database. */
export type CopiedCell = string | number | boolean | Uint8Array | null

/** The cells of a row, in the order of its table's columns. */
export type CopiedRow = readonly CopiedCell[]

type ColumnType = 'text' | 'bytea' | 'bigint' | 'int' | 'smallint' | 'boolean'

/** A table of a fleet's database, as a copy fills it. */
export interface CopiedTable {
  readonly name: string
  /** Of its columns the first are its key, by which rows are ordered; texts by their bytes. */
  readonly columns: readonly (readonly [name: string, type: ColumnType])[]
  readonly keyColumns: number
  /**
   * `added`: each row once. `put`: its rows are there from the beginning, and get other values. An
   * `identity` draws the numbers of later rows.
   */
  readonly fills: 'added' | 'put'
  readonly identity?: 'always' | 'by_default'
  /** Of a `put` table, for a source that stores nothing of it. @default no rows */
  readonly initial?: readonly CopiedRow[]
  /** How many rows are read at once: few where one may be large. */
  readonly rowsAtOnce: number
  /** Whether it is of the ledger's history, which may stay behind. */
  readonly isHistory: boolean
}

/** Names of settings that say something of one side alone, and are not copied. */
export const ownSettings: Readonly<Record<'source' | 'target', string>> = {
  source: 'copy id',
  target: 'copied from',
}

const many = 500
const few = 4

function table(
  name: string,
  keyColumns: number,
  columns: readonly string[],
  more: Partial<Omit<CopiedTable, 'name' | 'keyColumns' | 'columns'>> = {},
): CopiedTable {
  return {
    ...{ name, keyColumns, fills: 'added', rowsAtOnce: many, isHistory: false },
    columns: columns.map((column) => {
      const [own = '', type = 'text'] = column.split(' ')
      return [own, type as ColumnType]
    }),
    ...more,
  }
}

const times = ['created_at bigint', 'updated_at bigint']

const keyTables = [
  table('settings', 1, ['name', 'value']),
  table('keys', 1, [
    ...['id', 'version bigint', 'name', 'owner', 'environment', 'scopes', 'metadata', 'addresses'],
    ...['secrets bytea', 'imported int', ...times, 'not_before bigint', 'expires_at bigint'],
    ...['disabled_at bigint', 'revoked_at bigint', 'revoked_reason', 'limits', 'disabled_by'],
    ...['last_used_at bigint', 'change bigint', 'mac bytea'],
  ]),
  table('imported_digests', 1, ['digest bytea', 'key_id']),
  table('owners', 1, ['owner', 'version bigint', 'limits', ...times, 'change bigint', 'mac bytea']),
  table('answers', 1, ['id', 'request_digest', 'sealed bytea', 'expires_at bigint', 'mac bytea'], {
    rowsAtOnce: few,
  }),
  table('changes', 1, ['id int', 'number bigint', 'total bigint', 'mac bytea']),
]

const limitTables = [
  table('kept_uses', 1, ['name', 'limit_text', 'cells bytea', 'spare bigint', 'version bigint']),
]

const jobTables = [
  table(
    'jobs',
    1,
    [
      ...['place bigint', 'id', 'owner', 'key_id', 'request_id', 'model', 'kind', 'total int'],
      ...['priority smallint', 'attempts_max int', 'webhook', 'created_at bigint', 'characters int'],
      ...['pieces int', 'status', 'version int', 'done int', 'errors int', 'attempts int', 'error'],
      ...['started_at bigint', 'finished_at bigint', 'expires_at bigint', 'held_by', 'is_ready boolean'],
      ...['due_at bigint', 'bytes bigint', 'answer_bytes bigint', 'answer_values int'],
      ...['inputs_hash bytea', 'answers_hash bytea', 'mac bytea'],
    ],
    { identity: 'by_default', rowsAtOnce: 100 },
  ),
  table('job_inputs', 2, ['place bigint', 'piece int', 'inputs'], { rowsAtOnce: few }),
  table('job_answers', 3, ['place bigint', 'from_input int', 'piece int', 'answers'], { rowsAtOnce: few }),
  table('turns', 2, ['owner', 'model', 'served bigint', 'has_ready boolean']),
  table('totals', 1, ['id int', 'served bigint'], {
    fills: 'put',
    initial: [
      [1, 0],
      [2, 0],
    ],
  }),
  table('job_owners', 1, ['owner', 'jobs bigint', 'bytes bigint']),
  table('job_counts', 1, ['id int', 'jobs bigint', 'bytes bigint'], {
    fills: 'put',
    initial: Array.from({ length: 16 }, (_, id) => [id, 0, 0]),
  }),
  table(
    'kept_answers',
    1,
    [
      ...['id', 'owner', 'request_digest', 'held_by', 'sealed bytea', 'expires_at bigint', 'bytes bigint'],
      'mac bytea',
    ],
    { rowsAtOnce: few },
  ),
  table(
    'deliveries',
    1,
    [
      ...['place bigint', 'id', 'job_id', 'owner', 'url', 'job', 'status', 'attempts int', 'due_at bigint'],
      ...['created_at bigint', 'last_at bigint', 'last_status int', 'last_reason', 'held_by'],
      ...['is_job_forgotten boolean', 'bytes bigint', 'mac bytea'],
    ],
    { identity: 'by_default', rowsAtOnce: 100 },
  ),
  table('delivery_turns', 1, ['owner', 'due_at bigint']),
  table(
    'webhook_secrets',
    1,
    ['place bigint', 'owner', 'sealed bytea', 'created_at bigint', 'signs_until bigint', 'mac bytea'],
    { identity: 'by_default' },
  ),
]

const history = { isHistory: true }

/** The ledger's blocks, which may follow behind all else. */
export const copiedBlocks: CopiedTable = table(
  'block',
  1,
  [
    ...['id bigint', 'stream int', 'first_seq bigint', 'count int', 'min_at bigint', 'max_at bigint'],
    'body bytea',
  ],
  { ...history, identity: 'always', rowsAtOnce: 64 },
)

const ledgerTables = [
  table(
    'stream',
    1,
    [
      ...['number int', 'id', 'node', 'opened_at bigint', 'written_at bigint', 'seq bigint', 'link bytea'],
      'is_closed boolean',
    ],
    { ...history, identity: 'always', rowsAtOnce: 100 },
  ),
  copiedBlocks,
  table('base', 1, ['stream int', 'checkpoint'], history),
  table('recorded_change', 1, ['id int', 'change bigint'], { ...history, fills: 'put', initial: [[1, 0]] }),
  table(
    'usage',
    6,
    [
      ...['width bigint', 'bucket bigint', 'key_id bytea', 'owner bytea', 'route bytea', 'model bytea'],
      ...['requests bigint', 'admitted bigint', 'operational bigint', 'last_used_at bigint', 'refused'],
      ...['measures', 'latencies'],
    ],
    history,
  ),
  table(
    'usage_bucket',
    2,
    ['width bigint', 'bucket bigint', 'first_block bigint', 'last_block bigint'],
    history,
  ),
  table('usage_name', 2, ['kind', 'text bytea'], history),
  table('usage_filled', 1, ['id int', 'block bigint'], { ...history, fills: 'put', initial: [[1, 0]] }),
]

/** All that is copied, in an order in which a row comes behind those that it needs. */
export const copiedTables: readonly CopiedTable[] = [
  ...keyTables,
  ...limitTables,
  ...jobTables,
  ...ledgerTables,
]
