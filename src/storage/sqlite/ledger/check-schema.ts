import type { SqliteDatabase } from '../database.ts'

interface SchemaRow {
  readonly name: string
  readonly sql: string | null
}

/**
 * Whether a file has the tables and indexes that this program makes, and nothing else. With a
 * table without its primary key, a view in its place or a trigger, queries could return something
 * else than what verification reads.
 */
export function hasSchema(database: SqliteDatabase, schema: string): boolean {
  // SQLite keeps the text of each statement as it was.
  const made = schema
    .split(';')
    .map((statement) => statement.trim())
    .filter((statement) => statement.startsWith('CREATE '))
  const rows = database.prepare<SchemaRow>('SELECT name, sql FROM sqlite_schema').all()
  // Without a statement: indexes that SQLite makes itself, for unique columns.
  const statements = rows.flatMap(({ sql }) => sql ?? [])
  return statements.length === made.length && statements.every((sql) => made.includes(sql))
}
