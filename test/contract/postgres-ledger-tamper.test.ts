import { describe, expect, test } from 'vitest'
import { requestOf } from './ledger.contract.ts'
import { type LedgerSchema, openLedgerSchema } from './postgres-ledgers.ts'

/** A ledger of two nodes, each with commits of its own, and one of many blocks. */
async function openWritten(): Promise<LedgerSchema> {
  const schema = await openLedgerSchema()
  for (const node of ['a', 'b']) {
    const ledger = await schema.open({ node })
    for (let commit = 0; commit < 4; commit += 1) await ledger.append(requestOf({ requestId: `${commit}` }))
    await Promise.all(Array.from({ length: 300 }, () => ledger.append(requestOf())))
    await ledger.close()
  }
  expect((await schema.inspect.verify({})).firstBroken).toBeUndefined()
  return schema
}

const kindOf = async ({ inspect }: LedgerSchema): Promise<string | undefined> =>
  (await inspect.verify({})).firstBroken?.kind

const firstStream = '(SELECT min(number) FROM $schema.stream)'
const lastBlock = `(SELECT max(id) FROM $schema.block WHERE stream = ${firstStream})`

describe('tampering by SQL is found', () => {
  test.each([
    [
      'a byte of a record',
      `UPDATE $schema.block SET body = set_byte(body, 20, get_byte(body, 20) # 1) WHERE id = 3`,
      'record_changed',
    ],
    [
      'a record’s hash',
      `UPDATE $schema.block SET body = set_byte(body, octet_length(body) - 1, 7) WHERE id = 3`,
      'record_changed',
    ],
    ['a block removed', `DELETE FROM $schema.block WHERE id = 3`, 'records_removed'],
    ['the first block removed', `DELETE FROM $schema.block WHERE id = 1`, 'start_removed'],
    [
      'two blocks in each other’s place',
      `UPDATE $schema.block b SET body = o.body FROM $schema.block o WHERE (b.id, o.id) IN ((3, 4), (4, 3))`,
      'records_reordered',
    ],
    ['a block moved to the end', `UPDATE $schema.block SET id = DEFAULT WHERE id = 3`, 'records_reordered'],
    [
      'a block twice',
      `INSERT INTO $schema.block (stream, first_seq, count, min_at, max_at, body) SELECT stream, first_seq, count, min_at, max_at, body FROM $schema.block WHERE id = ${lastBlock}`,
      'record_duplicated',
    ],
    ['a tail cut', `DELETE FROM $schema.block WHERE id = ${lastBlock}`, 'tail_missing'],
    [
      'all blocks of a stream removed',
      `DELETE FROM $schema.block WHERE stream = ${firstStream}`,
      'tail_missing',
    ],
    ['a block of another stream', `UPDATE $schema.block SET stream = stream + 1 WHERE id = 3`, undefined],
    ['a block of no stream', `UPDATE $schema.block SET stream = 99 WHERE id = 3`, undefined],
    [
      'when a block was written',
      `UPDATE $schema.block SET max_at = max_at + 1 WHERE id = 3`,
      'block_changed',
    ],
    [
      'a number beyond all numbers',
      `UPDATE $schema.block SET first_seq = 9223372036854775807 WHERE id = 3`,
      'block_changed',
    ],
    [
      'a block behind all numbers',
      `WITH moved AS (DELETE FROM $schema.block WHERE id = (SELECT max(id) FROM $schema.block) RETURNING *) INSERT INTO $schema.block (id, stream, first_seq, count, min_at, max_at, body) OVERRIDING SYSTEM VALUE SELECT 9223372036854775807, stream, first_seq, count, min_at, max_at, body FROM moved`,
      'block_changed',
    ],
    [
      'a head set back',
      `UPDATE $schema.stream SET seq = seq - 1 WHERE number = ${firstStream}`,
      'record_inserted',
    ],
    [
      'a head set ahead',
      `UPDATE $schema.stream SET seq = seq + 1 WHERE number = ${firstStream}`,
      'tail_missing',
    ],
    [
      'a head of another chain',
      `UPDATE $schema.stream SET link = sha256(link) WHERE number = ${firstStream}`,
      'history_rewritten',
    ],
    ['a base from nowhere', `INSERT INTO $schema.base VALUES (${firstStream}, 'no')`, 'checkpoint_invalid'],
    ['how far the keys had come', `UPDATE $schema.recorded_change SET change = -1`, 'index_changed'],
    ['an index that claims too much', `INSERT INTO $schema.indexed VALUES (1000000)`, undefined],
    [
      'a trigger',
      `CREATE TRIGGER t AFTER INSERT ON $schema.block EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
      'index_changed',
    ],
    [
      'a view in the place of a table',
      `ALTER TABLE $schema.posting RENAME TO other; CREATE VIEW $schema.posting AS SELECT * FROM $schema.other`,
      'index_changed',
    ],
  ])('%s', async (_name, statement, kind) => {
    const schema = await openWritten()
    await schema.sql(statement)
    const found = await kindOf(schema)
    expect(found).toBeDefined()
    if (kind !== undefined) expect(found).toBe(kind)
  })

  test('a tail that was cut and a head that was set back to fit: a checkpoint from elsewhere tells', async () => {
    const schema = await openWritten()
    const { inspect, sql } = schema
    const heads = await inspect.readHeads()
    const [last] = await sql('SELECT max(number) AS number FROM $schema.stream')
    await sql('DELETE FROM $schema.block WHERE id = (SELECT max(id) FROM $schema.block)')
    await sql(
      `UPDATE $schema.stream SET (seq, link) = (
         SELECT first_seq + count - 1, substring(body FROM octet_length(body) - 31) FROM $schema.block
         WHERE stream = $1 ORDER BY id DESC LIMIT 1
       ) WHERE number = $1`,
      [last?.['number']],
    )
    expect(await kindOf(schema)).toBeUndefined()
    const checkpoints = heads.map(({ stream, seq, hash }) => ({
      ...{ type: 'modelward-checkpoint-1' as const, stream, seq, hash },
      ...{ at: 0, key: '', signature: '' },
    }))
    expect((await inspect.verify({ checkpoints })).firstBroken?.kind).toBe('tail_missing')
  })
})
