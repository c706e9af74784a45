import type { KeyStore } from '../../../keys/store/key-store.ts'
import type { Query } from '../postgres.ts'

/** Settings stored with the keys, each set once. */
export function createSettingTable(
  query: Query,
  schema: string,
): Pick<KeyStore, 'findSetting' | 'addSetting'> {
  async function findSetting(name: string): Promise<string | undefined> {
    const [row] = await query<{ readonly value: string }>(
      `SELECT value FROM ${schema}.settings WHERE name = $1`,
      [name],
    )
    return row?.value
  }
  return {
    findSetting,
    async addSetting(name, value) {
      await query(`INSERT INTO ${schema}.settings (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING`, [
        name,
        value,
      ])
      return (await findSetting(name)) ?? value
    },
  }
}
