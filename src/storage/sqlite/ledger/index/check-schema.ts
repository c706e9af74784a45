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
 * Whether the file has the tables and indexes that this program makes, and nothing else. With a
 * table without its primary key, a view in its place or a trigger, queries could return something
 * else than what verification reads.
 */
export function hasLedgerSchema(database: SqliteDatabase): boolean {
  const rows = database.prepare<SchemaRow>('SELECT name, sql FROM sqlite_schema').all()
  // Without a statement: indexes that SQLite makes itself, for unique columns.
  const statements = rows.flatMap(({ sql }) => sql ?? [])
  return statements.length === made.size && statements.every((sql) => made.has(sql))
}
