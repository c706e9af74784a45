/** Columns of `jobs` that make a job, with their types. */
export const typedColumns: readonly (readonly [name: string, type: string])[] = [
  ...['place bigint', 'id text', 'owner text', 'key_id text', 'request_id text', 'model text', 'kind text'],
  ...['total int', 'priority smallint', 'attempts_max int', 'webhook text', 'created_at bigint'],
  ...['characters int', 'pieces int', 'status text', 'version int', 'done int', 'errors int', 'attempts int'],
  ...['error text', 'started_at bigint', 'finished_at bigint', 'expires_at bigint', 'held_by text'],
  ...['bytes bigint', 'answer_bytes bigint', 'answer_values int', 'inputs_hash bytea', 'answers_hash bytea'],
  'mac bytea',
].map((column) => column.split(' ') as [string, string])

/** Columns of `jobs` as `JobRow` has them. */
export function jobColumns(table: string): string {
  return typedColumns.map(([name]) => `${table}.${name}`).join(', ')
}
