import { once } from 'node:events'
import { expect, test } from 'vitest'
import { startHostile, usage, whole } from '../gateway/simulators/hostile.ts'
import { runSql } from './ask-node.ts'
import { openTestFleet } from './open-fleet.ts'

const json = ['content-type: application/json']

test('a call under an Idempotency-Key runs once on all nodes of a fleet: its answer outlives the node that had it, and one that a kill met is not sent again before its node is known to be gone', {
  timeout: 120_000,
}, async () => {
  const asked: string[] = []
  await using upstream = await startHostile(async ({ text, write, turn }) => {
    if (text.startsWith('GET ')) return write(whole(200, '{"data":[{"id":"m"}]}', json))
    asked.push(/"user":"(\w+)"/.exec(text)?.[1] ?? '')
    await turn()
    await write(whole(200, JSON.stringify({ id: `answer-${asked.length}`, usage }), json))
  })
  await using fleet = await openTestFleet()
  const args = ['--upstream', upstream.url, '--preset', 'vllm']
  await using first = await fleet.start(...args)
  const [second, { key }] = await Promise.all([
    fleet.start(...args),
    fleet.createKey('--limit', '100000 tokens/h'),
  ])
  await using _ = second
  async function ask({ address }: { readonly address: string }, name: string) {
    const answer = await fetch(`${address}/v1/chat/completions`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'idempotency-key': name,
      },
      body: JSON.stringify({
        ...{ model: 'm', user: name, max_tokens: 8 },
        messages: [{ role: 'user', content: 'why' }],
      }),
    })
    const { status, headers } = answer
    return { status, isReplayed: headers.has('idempotency-replayed'), text: await answer.text() }
  }

  const asking = ask(first, 'kept')
  await expect.poll(() => asked).toEqual(['kept'])
  expect(await ask(second, 'kept')).toMatchObject({ status: 409 })
  upstream.next()
  const kept = await asking
  expect(kept).toMatchObject({ status: 200, isReplayed: false, text: expect.stringContaining('answer-1') })
  expect(await ask(second, 'kept')).toEqual({ ...kept, isReplayed: true })

  const killed = ask(first, 'killed').catch(() => 'cut off')
  await expect.poll(() => asked).toEqual(['kept', 'killed'])
  const ended = once(first.child, 'exit')
  first.child.kill('SIGKILL')
  await ended
  expect(await killed).toBe('cut off')
  expect(await ask(second, 'kept')).toEqual({ ...kept, isReplayed: true })
  // Its node may be cut off alone, and still have its answer.
  expect(await ask(second, 'killed')).toMatchObject({ status: 409 })
  expect(asked).toEqual(['kept', 'killed'])

  // A call of its own goes on as ever.
  upstream.next()
  upstream.next()
  expect(await ask(second, 'other')).toMatchObject({ status: 200, isReplayed: false })

  // As if it had not been seen for longer than nodes wait for each other.
  const nodes = `"${fleet.database.schema}".nodes`
  await runSql(
    fleet.database.url.replace(/[?&]schema=.*/, ''),
    `UPDATE ${nodes} SET seen_at = 0 WHERE id = (SELECT id FROM ${nodes} ORDER BY started_at LIMIT 1)`,
  )
  await using third = await fleet.start(...args)
  upstream.next()
  expect(await ask(third, 'killed')).toMatchObject({ status: 200, isReplayed: false })
  expect(asked).toEqual(['kept', 'killed', 'other', 'killed'])
})
