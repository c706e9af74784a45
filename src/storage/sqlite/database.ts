/** What may be bound to a statement, and what a column gives: no integer of ours is beyond 2^53. */
export type SqlValue = string | number | Uint8Array | null

/** A prepared statement, by shape: as much of a driver as the stores use. */
export interface SqliteStatement<Row> {
  readonly get: (...values: SqlValue[]) => Row | undefined
  readonly all: (...values: SqlValue[]) => Row[]
  readonly run: (...values: SqlValue[]) => { readonly changes: number | bigint }
}

/** An open connection, by shape, so that no store depends on the driver behind it. */
export interface SqliteDatabase {
  /** `Row` is the type of the columns. STRICT tables guarantee it unless the file is damaged. */
  readonly prepare: <Row extends object>(sql: string) => SqliteStatement<Row>
  /** The same with rows as arrays of cells: a third faster for rows of many cells. */
  readonly prepareCells: <Cells extends readonly SqlValue[]>(sql: string) => SqliteStatement<Cells>
  readonly exec: (sql: string) => void
  readonly isTransaction: () => boolean
  readonly close: () => void
}

/** Reads the first column of a statement's one row, such as a pragma gives. */
export function readValue(database: SqliteDatabase, sql: string): SqlValue | undefined {
  return Object.values(database.prepare<Record<string, SqlValue>>(sql).get() ?? {})[0]
}
