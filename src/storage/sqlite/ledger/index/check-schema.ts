import type { SqliteDatabase } from '../../database.ts'
import { ledgerSchema } from '../ledger-schema.ts'

interface SchemaRow {
  readonly name: string
  readonly sql: string | null
}

/** SQLite keeps the text of each statement as it was. */
const made: ReadonlySet<string> = new Set(
  ledgerSchema
    .split(';')
    .map((statement) => statement.trim())
    .filter((statement) => statement.startsWith('CREATE ')),
)

/**
 * Whether the file has the tables and indexes that this program makes, and nothing else: a table that was made anew without its primary key, a view in
 * its place or a trigger would have queries tell something else than what verification reads.
 */
export function hasLedgerSchema(database: SqliteDatabase): boolean {
  const rows = database.prepare<SchemaRow>('SELECT name, sql FROM sqlite_schema').all()
  // Those without a statement are made by SQLite itself, for what a table's own statement says is unique.
  const told = rows.flatMap(({ sql }) => sql ?? [])
  return told.length === made.size && told.every((sql) => made.has(sql))
}
