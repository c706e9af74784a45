import { describe, expect, test } from 'vitest'
import { Semaphore } from './semaphore.ts'

const signal = new AbortController().signal

/** Passes slices, each of which stays inside until it is told to leave. */
function openGate(inputsMax: number) {
  const semaphore = new Semaphore(inputsMax)
  const inside: string[] = []
  const leave = new Map<string, () => void>()
  const pass = (name: string, inputs: number, aborts = signal, owner = 'owner'): Promise<void> =>
    semaphore.run(owner, inputs, aborts, () => {
      inside.push(name)
      return new Promise((resolve) => {
        leave.set(name, () => {
          inside.splice(inside.indexOf(name), 1)
          resolve()
        })
      })
    })
  return { pass, inside, leave: (name: string) => leave.get(name)?.() }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('inputs of jobs', () => {
  test('get into a model up to its bound, and the others in their order as those before leave', async () => {
    const { pass, inside, leave } = openGate(3)
    for (const [name, inputs] of [
      ['a', 2],
      ['b', 1],
      ['c', 2],
      ['d', 1],
    ] as const)
      void pass(name, inputs)
    await settle()
    expect(inside).toEqual(['a', 'b'])
    leave('b')
    await settle()
    // There is room for `d`, which would overtake `c` for ever.
    expect(inside).toEqual(['a'])
    leave('a')
    await settle()
    expect(inside).toEqual(['c', 'd'])
  })

  test('of one owner wait for one turn of another, however many of its slices wait', async () => {
    const { pass, inside, leave } = openGate(2)
    for (let at = 0; at < 40; at += 1) void pass(`a${at}`, 2, signal, 'a')
    for (let at = 0; at < 2; at += 1) void pass(`b${at}`, 2, signal, 'b')
    const order: string[] = []
    for (let at = 0; at < 42; at += 1) {
      await settle()
      order.push(...inside)
      leave(String(inside[0]))
    }
    expect(order.slice(0, 6)).toEqual(['a0', 'a1', 'b0', 'a2', 'b1', 'a3'])
    expect(order.length).toBe(42)
  })

  test('of a slice larger than the bound get in alone', async () => {
    const { pass, inside, leave } = openGate(3)
    void pass('small', 1)
    void pass('large', 10)
    void pass('next', 1)
    await settle()
    expect(inside).toEqual(['small'])
    leave('small')
    await settle()
    expect(inside).toEqual(['large'])
    leave('large')
    await settle()
    expect(inside).toEqual(['next'])
  })

  test('that are given up while they wait leave their place to those behind them', async () => {
    const { pass, inside, leave } = openGate(2)
    const giveUp = new AbortController()
    void pass('a', 1)
    const large = pass('large', 2, giveUp.signal)
    void pass('b', 1)
    await settle()
    expect(inside).toEqual(['a'])
    giveUp.abort(new Error('lost'))
    await expect(large).rejects.toThrow('lost')
    expect(inside).toEqual(['a', 'b'])
    leave('a')
    leave('b')
    void pass('c', 2)
    await settle()
    expect(inside).toEqual(['c'])
  })

  test('leave room behind them however their call ends', async () => {
    const semaphore = new Semaphore(1)
    await expect(semaphore.run('a', 1, signal, () => Promise.reject(new Error('broke')))).rejects.toThrow(
      'broke',
    )
    expect(await semaphore.run('a', 1, signal, async () => 'in')).toBe('in')
  })
})
