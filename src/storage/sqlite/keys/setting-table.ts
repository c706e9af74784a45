import type { SqliteDatabase } from '../database.ts'

/** Settings stored with the keys, each set once. The caller brings the transaction. */
export interface SettingTable {
  readonly find: (name: string) => string | undefined
  /** Sets it unless it is set; returns what is set afterwards. */
  readonly add: (name: string, value: string) => string
}

export function createSettingTable(database: SqliteDatabase): SettingTable {
  const select = database.prepare<{ value: string }>('SELECT value FROM settings WHERE name = ?')
  const insert = database.prepare('INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING')
  const find = (name: string): string | undefined => select.get(name)?.value
  return {
    find,
    add(name, value) {
      insert.run(name, value)
      return find(name) ?? value
    },
  }
}
