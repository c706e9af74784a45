import { expect, test } from 'vitest'
import { Fault } from '../../../../core/fault.ts'
import { createOwnerTurns } from './owner-turns.ts'

/** Calls that are held until the test ends them. */
function createHeld() {
  const turns = createOwnerTurns('the database')
  const begun: { readonly owner: string; readonly end: PromiseWithResolvers<string> }[] = []
  return {
    begun,
    run: (owner: string) =>
      turns.run(owner, () => {
        const end = Promise.withResolvers<string>()
        begun.push({ owner, end })
        return end.promise
      }),
    /** Lets everything come as far as it comes by itself. */
    settle: () => new Promise<void>((resolve) => setImmediate(resolve)),
  }
}

const out = new Fault('store_unavailable', 'out', { cause: new Error('Query read timeout') })

test('one owner has four calls under way, however many it asks for, and another owner’s is the next', async () => {
  const { begun, run, settle } = createHeld()
  const greedy = Array.from({ length: 100 }, () => run('greedy'))
  const other = run('other')
  await settle()
  expect(begun.map(({ owner }) => owner)).toEqual(['greedy', 'greedy', 'greedy', 'greedy'])
  begun[0]?.end.resolve('done')
  begun[1]?.end.resolve('done')
  await settle()
  expect(
    begun
      .slice(4)
      .map(({ owner }) => owner)
      .toSorted(),
  ).toEqual(['greedy', 'other'])
  for (const { end } of begun) end.resolve('done')
  expect(await other).toBe('done')
  for (let next = 0; next < 100; next += 1) {
    await settle()
    for (const { end } of begun) end.resolve('done')
  }
  expect(new Set(await Promise.all(greedy))).toEqual(new Set(['done']))
})

test('where the database does not answer, what has waited as long fails too; what came later is tried', async () => {
  const { begun, run, settle } = createHeld()
  const first = Array.from({ length: 4 }, () => run('greedy'))
  const second = Array.from({ length: 8 }, (_, number) => run(`owner ${number}`))
  for (const call of [...first, ...second]) call.catch(() => undefined)
  await settle()
  for (const { end } of begun) end.reject(out)
  await settle()
  // The next four are tried: they came while the first were under way.
  expect(begun).toHaveLength(8)
  const late = run('late')
  begun[4]?.end.reject(out)
  for (const call of [...first, second[0], ...second.slice(4)]) await expect(call).rejects.toBe(out)
  await settle()
  expect(begun[8]?.owner).toBe('late')
  for (const { end } of begun) end.resolve('done')
  expect(await late).toBe('done')
})

test('a statement that is refused is its own caller’s matter', async () => {
  const { begun, run, settle } = createHeld()
  const calls = Array.from({ length: 5 }, () => run('acme'))
  const refused = new Fault('store_unavailable', 'no', {
    cause: Object.assign(new Error('no'), { code: '22021' }),
  })
  await settle()
  begun[0]?.end.reject(refused)
  await expect(calls[0]).rejects.toBe(refused)
  for (const { end } of begun) end.resolve('done')
  await settle()
  begun[4]?.end.resolve('done')
  expect(await calls[4]).toBe('done')
})

test('beyond 2,000 calls that wait an owner’s next is refused, and another owner’s is not', async () => {
  const { begun, run, settle } = createHeld()
  const waiting = Array.from({ length: 2_004 }, () => run('greedy'))
  await expect(run('greedy')).rejects.toMatchObject({ code: 'store_unavailable' })
  const other = run('other')
  begun[0]?.end.resolve('done')
  await settle()
  begun[1]?.end.resolve('done')
  await settle()
  for (const { end } of begun) end.resolve('done')
  expect(await other).toBe('done')
  expect(waiting).toHaveLength(2_004)
})
