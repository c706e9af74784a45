import type { CopiedRow } from '../../copy/copied-tables.ts'
import type { SqlValue } from '../database.ts'

/** How the rows of each table are read, by its name: behind a key, or all of them. */
export type RowReaders = Readonly<Record<string, (after?: readonly SqlValue[]) => Iterable<CopiedRow>>>
