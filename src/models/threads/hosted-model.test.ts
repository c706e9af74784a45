import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { threadId } from 'node:worker_threads'
import { afterAll, afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Order } from '../../../test/models/obedient-model.ts'
import { Fault } from '../../core/fault.ts'
import { Refusal } from '../../core/refusal.ts'
import type { OperationalEvent } from '../../telemetry/telemetry.ts'
import type { PredictOptions, ServedModel } from '../model.ts'
import { createModelRuntime, type ModelRuntime, type ModelRuntimeOptions } from '../model-runtime.ts'

const files = {
  threaded: new URL('../../../test/models/obedient-model.ts', import.meta.url),
  process: new URL('../../../test/models/obedient-process.ts', import.meta.url),
  inline: new URL('../../../test/models/obedient-inline.ts', import.meta.url),
} as const
const lostEvents = { threaded: 'model.thread_lost', process: 'model.process_lost' } as const

let runtime: ModelRuntime | undefined
afterEach(async () => {
  await runtime?.close()
  runtime = undefined
})

async function openFile(file: string | URL, options: ModelRuntimeOptions = {}): Promise<ServedModel> {
  runtime = await createModelRuntime({ models: [file], ...options })
  return onlyModelOf(runtime)
}

function onlyModelOf({ models }: ModelRuntime): ServedModel {
  const [model] = models.values()
  if (model === undefined) throw new Error('there is no model')
  return model
}

/** Sends one order as a call of its own. */
async function send(model: ServedModel, order: Order, options?: PredictOptions): Promise<unknown> {
  const [output] = await model.predict([order], options)
  return output
}

/** How a call ended: its output, or the code of its error. */
async function outcomeOf(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer
  } catch (error) {
    return error instanceof Fault || error instanceof Refusal ? error.code : error
  }
}

const echo = (say: unknown): Order => ({ do: 'echo', say })

/** What holds wherever a model runs. */
const failures: readonly [string, Order, string][] = [
  ['throws', { do: 'throw' }, 'model_failed'],
  ['answers what JSON has no word for', { do: 'date' }, 'model_failed'],
  ['answers what fails while it is looked at', { do: 'getter' }, 'model_failed'],
  ['answers more than may be sent', { do: 'numbers', say: 9_000_000 }, 'model_failed'],
  ['answers too few', { do: 'none' }, 'model_failed'],
  ['answers nothing for an input', { do: 'echo' }, 'model_failed'],
  ['never answers, and heeds its signal', { do: 'heed' }, 'model_timeout'],
  ['refuses the input', { do: 'refuse' }, 'input_invalid'],
]

describe('a model that runs: inline', () => {
  test.each(failures)(
    'one that %s fails its own call alone, and answers the next',
    async (_what, order, code) => {
      const model = await openFile(files.inline)
      const deadlineMs = order.do === 'heed' ? 400 : 20_000
      expect(await outcomeOf(send(model, order, { deadlineMs }))).toBe(code)
      expect(await send(model, echo('still here'))).toBe('still here')
    },
  )

  test('takes more inputs than a batch holds, in slices, in order', async () => {
    const says = Array.from({ length: 11 }, (_, index) => index)
    expect(await (await openFile(files.inline)).predict(says.map(echo))).toEqual(says)
  })

  test('a call is cancelled by its signal', async () => {
    const controller = new AbortController()
    const given = send(await openFile(files.inline), { do: 'heed' }, { signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(given).rejects.toThrow('enough')
  })
})

describe.each(['threaded', 'process'] as const)('a model that runs: %s', (runs) => {
  let shared: Promise<ModelRuntime> | undefined
  afterAll(async () => (await shared)?.close())

  /** Without options, the one that the tests share: each leaves it as it was. */
  async function open(options?: ModelRuntimeOptions): Promise<ServedModel> {
    if (options !== undefined) return openFile(files[runs], options)
    shared ??= createModelRuntime({ models: [files[runs]] })
    return onlyModelOf(await shared)
  }

  test('is loaded and warmed where it runs, and answers each input in order', async () => {
    const model = await open()
    expect(await model.predict([echo('a'), echo('b')])).toEqual(['a', 'b'])
    expect(model).toMatchObject({ name: 'obedient', version: 'obedient-1', runs, input: 'json' })
    expect(await send(model, { do: 'place' })).not.toBe(`${process.pid} ${threadId}`)
  })

  test('has the environment, without the settings and secrets of the server', async () => {
    vi.stubEnv('MODELWARD_PEPPER', 'secret')
    vi.stubEnv('OTHER', 'there')
    onTestFinished(() => {
      vi.unstubAllEnvs()
    })
    const names = await send(await open({}), { do: 'environment' })
    expect(names).toContain('OTHER')
    expect(names).not.toContain('MODELWARD_PEPPER')
  })

  test('takes more inputs than a batch holds, in slices', async () => {
    const model = await open()
    const says = Array.from({ length: 11 }, (_, index) => index)
    expect(await model.predict(says.map(echo))).toEqual(says)
    expect(await model.predict([])).toEqual([])
  })

  test('calls that come while it works share a batch', async () => {
    const model = await open()
    const sizes = await Promise.all(Array.from({ length: 5 }, () => send(model, { do: 'size' })))
    expect(sizes).toEqual([1, 4, 4, 4, 4])
  })

  test.each<[string, Order, string]>([
    ...failures,
    ['ends where it runs', { do: 'exit' }, 'model_failed'],
    ['crashes where it runs from outside the call', { do: 'crash' }, 'model_failed'],
    ['loops for ever', { do: 'loop' }, 'model_timeout'],
  ])('one that %s fails its own call alone, and answers the next', async (_what, order, code) => {
    const model = await open()
    const deadlineMs = order.do === 'loop' || order.do === 'heed' ? 400 : 20_000
    expect(await outcomeOf(send(model, order, { deadlineMs }))).toBe(code)
    expect(await send(model, echo('still here'))).toBe('still here')
    expect(model.load()).toEqual({ waiting: 0, running: 0 })
  })

  test('one whose packages send messages of their own goes on as before', async () => {
    const model = await open()
    expect(await send(model, { do: 'stray messages' })).toBe('answered')
    const place = await send(model, { do: 'place' })
    expect(await send(model, { do: 'stray messages' })).toBe('answered')
    expect(await send(model, { do: 'place' })).toBe(place)
  })

  test('one that dies after its answer is replaced before anyone waits for it', async () => {
    const { promise: lost, resolve: onEvent } = Promise.withResolvers<OperationalEvent>()
    const model = await open({ onEvent })
    expect(await send(model, { do: 'crash later' })).toBe('answered')
    const { name, cause } = await lost
    expect([name, String(cause)]).toEqual([
      lostEvents[runs],
      expect.stringMatching(/^Error: Error; its message may/),
    ])
    expect(await send(model, echo('still here'))).toBe('still here')
  })

  test('a model that cannot be loaded again for a while answers again after it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'modelward-threads-'))
    const file = join(folder, 'fragile.ts')
    const weights = join(folder, 'weights')
    writeFileSync(weights, 'here')
    writeFileSync(
      file,
      `import { readFileSync } from 'node:fs'
       export const model = {
         name: 'fragile', version: 'fragile-1', runs: '${runs}', threads: 1,
         warmUp: () => readFileSync(${JSON.stringify(weights)}),
         predict: (inputs) => inputs.map((input) => input === 'die' ? process.exit() : input),
       }`,
    )
    const events: OperationalEvent[] = []
    const { promise: failedAgain, resolve } = Promise.withResolvers<void>()
    const onEvent = (event: OperationalEvent) => {
      events.push(event)
      if (String(event.cause).includes('warmUp failed')) resolve()
    }
    const model = await openFile(file, { onEvent })
    rmSync(weights)
    expect(await outcomeOf(Promise.resolve(model.predict(['die'])))).toBe('model_failed')
    await failedAgain
    expect(model.isOut?.()).toBe(true)
    expect(await outcomeOf(Promise.resolve(model.predict(['a'], { deadlineMs: 1 })))).toBe('overloaded')
    writeFileSync(weights, 'here again')
    expect(await model.predict(['a'], { deadlineMs: 50_000 })).toEqual(['a'])
    expect(model.isOut?.()).toBe(false)
    expect(events[0]).toMatchObject({ name: lostEvents[runs], fields: { model: file } })
    rmSync(folder, { recursive: true })
  })

  test('one that runs out of memory loses its own place alone', async () => {
    const events: OperationalEvent[] = []
    const model = await open({ threadHeapMib: 32, onEvent: (event) => events.push(event) })
    expect(await outcomeOf(send(model, { do: 'leak' }, { deadlineMs: 50_000 }))).toBe('model_failed')
    expect(await send(model, echo('still here'))).toBe('still here')
    expect(events).not.toHaveLength(0)
  })

  test('a refusal keeps what it says of the input', async () => {
    const model = await open()
    const errors = [{ loc: ['body', 'say'], msg: 'no', type: 'value_error' }]
    await expect(send(model, { do: 'refuse' })).rejects.toMatchObject({ message: 'not this one', errors })
  })

  test.each<[Order['do'], string]>([
    ['throw', 'model_failed'],
    ['exit', 'model_failed'],
    ['refuse', 'input_invalid'],
    ['loop', 'model_timeout'],
  ])('an input that makes it %s fails no other call of its batch', async (what, code) => {
    const model = await open()
    // The first call occupies the thread, so that the others wait, and go together.
    const first = send(model, echo('first'))
    const others = [echo('a'), { do: what } as const, echo('b')]
    // A loop ends with its own time, of which a batch has half. The others have time for two new
    // threads, however long a busy machine takes to start them: what share of one deadline is left
    // to whom is a test of the queue, by a clock of its own.
    const answers = others.map((order) =>
      outcomeOf(send(model, order, { deadlineMs: order.do === 'loop' ? 1_000 : 50_000 })),
    )
    expect(await first).toBe('first')
    expect(await Promise.all(answers)).toEqual(['a', code, 'b'])
  })

  test('a model that computes without a pause sees the abort once its callers have left', async () => {
    const events: OperationalEvent[] = []
    const model = await open({ onEvent: (event) => events.push(event) })
    expect(await outcomeOf(send(model, { do: 'poll' }, { deadlineMs: 100 }))).toBe('model_timeout')
    expect(await send(model, echo('still here'))).toBe('still here')
    expect(events.map(({ name }) => name)).toEqual(['model.timed_out'])
  })

  test('a model that heeds its abort keeps its place, though this thread is busy past the time it has for that', async () => {
    const events: OperationalEvent[] = []
    const model = await open({ onEvent: (event) => events.push(event) })
    const place = await send(model, { do: 'place' })
    expect(await outcomeOf(send(model, { do: 'heed' }, { deadlineMs: 100 }))).toBe('model_timeout')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600)
    expect(await send(model, { do: 'place' })).toBe(place)
    expect(events.map(({ name }) => name)).toEqual(['model.timed_out'])
  })

  test('a client that hangs up on a model that ignores it costs nothing: the next caller has its place', async () => {
    const model = await open()
    const thread = await send(model, { do: 'place' })
    const listeners: (() => void)[] = []
    const gone = send(model, { do: 'ignore' }, { onClientGone: (listener) => listeners.push(listener) })
    for (const hangUp of listeners) hangUp()
    const next = send(model, { do: 'place' })
    await expect(gone).rejects.toThrow('the client went away')
    expect(await next).toBe(thread)
  })

  test('a call whose client goes away is given up without harm to its place', async () => {
    const events: OperationalEvent[] = []
    const model = await open({ onEvent: (event) => events.push(event) })
    const listeners: (() => void)[] = []
    const gone = send(model, { do: 'heed' }, { onClientGone: (listener) => listeners.push(listener) })
    for (const leave of listeners) leave()
    await expect(gone).rejects.toThrow('the client went away')
    const controller = new AbortController()
    const given = send(model, { do: 'heed' }, { signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(given).rejects.toThrow('enough')
    expect(await send(model, echo('still here'))).toBe('still here')
    expect(events).toEqual([])
  })

  test('more than may wait is refused, and what waits is answered', async () => {
    const model = await open({ waitingMax: 4 })
    const answers = Array.from({ length: 6 }, (_, index) => outcomeOf(send(model, echo(index))))
    expect(await Promise.all(answers)).toEqual([0, 1, 2, 3, 4, 'overloaded'])
  })

  test('what cannot be answered in time is refused at once, and says when there is room', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'modelward-steady-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'steady.mjs')
    writeFileSync(
      file,
      `export const model = { name: 'steady', version: 'steady-1', runs: '${runs}', threads: 1, batchMax: 1,
         predict: (inputs) => (Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100), inputs) }`,
    )
    const model = await open({ models: [file], deadlineMs: 2_000 })
    await model.predict(['warm'])
    const asked = Array.from({ length: 40 }, () =>
      Promise.resolve(model.predict(['a'])).catch((fault: Fault) => fault),
    )
    const outcomes = await Promise.all(asked)
    const refused = outcomes.filter((outcome) => outcome instanceof Fault && outcome.code === 'overloaded')
    expect(outcomes.filter(Array.isArray)).not.toHaveLength(0)
    // No more than twenty have the time, however fast the machine is.
    expect(refused.length).toBeGreaterThanOrEqual(20)
    for (const fault of refused) expect((fault as Fault).retryAfterSeconds).toBeOneOf([1, 2])
  })

  test('closing answers what waits and runs, and leaves nothing behind', async () => {
    const model = await open({})
    const answers = [outcomeOf(send(model, { do: 'loop' })), outcomeOf(send(model, echo('a')))]
    await runtime?.close()
    expect(await Promise.all(answers)).toEqual(['overloaded', 'overloaded'])
    expect(await outcomeOf(send(model, echo('late')))).toBe('overloaded')
  })
})
