import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { Refusal } from '../core/refusal.ts'
import type { Model } from './model.ts'
import { createModelRuntime, type ModelRuntime, type ModelRuntimeOptions } from './model-runtime.ts'

const folder = mkdtempSync(join(tmpdir(), 'modelward-runtime-'))
afterAll(() => rmSync(folder, { recursive: true }))

let runtime: ModelRuntime | undefined
afterEach(async () => {
  await runtime?.close()
  runtime = undefined
})

async function open(options: ModelRuntimeOptions): Promise<ModelRuntime> {
  runtime = await createModelRuntime(options)
  return runtime
}

let files = 0

/**
 * Writes a module, and gives its path. Each has a path of its own, because a module is imported
 * once.
 */
function write(text: string): string {
  files += 1
  const file = join(folder, `module-${files}.ts`)
  writeFileSync(file, text)
  return file
}

function moduleOf(properties: string): string {
  return write(
    `export default { name: 'mine', version: 'mine-1', runs: 'threaded', threads: 1, predict: (inputs) => inputs, ${properties} }`,
  )
}

function inline(properties: Partial<Model> = {}): Model {
  return { name: 'mine', version: 'mine-1', runs: 'inline', predict: (inputs) => inputs, ...properties }
}

describe('createModelRuntime', () => {
  test('has the built-in model where none is named', async () => {
    const { models } = await open({})
    expect([...models.keys()]).toEqual(['sentiment'])
    const outputs = models.get('sentiment')?.predict(['I love this great product'])
    expect(outputs).toMatchObject([{ sentiment: 'positive' }])
  })

  test('keeps models in their order, inline and threaded side by side', async () => {
    const file = moduleOf("name: 'slow'")
    const { models } = await open({ models: [file, inline({ name: 'fast' })] })
    expect([...models].map(([name, { runs }]) => [name, runs])).toEqual([
      ['slow', 'threaded'],
      ['fast', 'inline'],
    ])
    expect(await models.get('slow')?.predict(['a'])).toEqual(['a'])
  })

  test('a module whose model is inline runs on the calling thread', async () => {
    const file = write(`
      import { isMainThread } from 'node:worker_threads'
      let isWarm = false
      export const model = {
        name: 'mine', version: 'mine-1', runs: 'inline',
        warmUp: () => { isWarm = true },
        predict: (inputs: string[]) => inputs.map(() => [isMainThread, isWarm]),
      }`)
    const { models } = await open({ models: [file] })
    // A test's own process may be a thread or not; the point is that the answer comes at once.
    expect(models.get('mine')?.predict(['a'])).toEqual([[expect.any(Boolean), true]])
  })

  test('this thread never imports the module of a threaded model', async () => {
    const mark = `imported-${files}`
    const file = write(`
      globalThis['${mark}'] = true
      export default { name: 'mine', version: 'mine-1', runs: 'threaded', threads: 1,
        predict: (inputs: string[]) => inputs.map(() => globalThis['${mark}']) }`)
    const { models } = await open({ models: [file] })
    expect(await models.get('mine')?.predict(['a'])).toEqual([true])
    expect(Object.hasOwn(globalThis, mark)).toBe(false)
  })

  test('refuses two models of one name', async () => {
    await expect(open({ models: [inline(), moduleOf('')] })).rejects.toMatchObject({
      code: 'config_invalid',
      message: 'models: expected names of their own, got `mine` twice',
    })
  })

  test('refuses options that there are not', async () => {
    await expect(open({ deadline: 5 } as never)).rejects.toThrow('did you mean `deadlineMs`?')
  })

  test('a threaded model must come by its path', async () => {
    await expect(open({ models: [inline({ runs: 'threaded' })] })).rejects.toThrow(
      'models: expected the path of the module of `mine`, got the model itself',
    )
  })
})

describe('a module that is no model is told at the start, with what was expected and what came', () => {
  test.each([
    [
      'exports nothing',
      'export {}',
      'expected a model as `export default` or `export const model`, got exports nothing',
    ],
    ['exports something else', 'export const predict = 1', 'got exports predict'],
    ['exports a function', 'export default () => 1', 'expected a model, got a function'],
    ['does not parse', 'export default {', 'expected a module that can be imported, got: '],
    ['throws', "throw new Error('no disk')", 'expected a module that can be imported, got: no disk'],
    [
      'lacks a module, and dies of it unawaited',
      "import('./absent.mjs'); await new Promise(() => {})",
      'expected a model that can be loaded, but its thread died: Error',
    ],
    ['ends its thread', 'process.exit(3)', 'expected a model that can be loaded, but its thread died'],
  ])('%s', async (_what, text, message) => {
    const file = write(text)
    await expect(open({ models: [file] })).rejects.toMatchObject({
      code: 'model_unreadable',
      message: expect.stringContaining(`${file}: `),
    })
    await expect(open({ models: [file] })).rejects.toThrow(message)
  })

  test('loads for ever', async () => {
    const file = write('for (;;);')
    await expect(open({ models: [file], loadMs: 300 })).rejects.toThrow('but it was not ready within 300 ms')
  })

  test('is not there', async () => {
    const file = join(folder, 'absent.ts')
    await expect(open({ models: [file] })).rejects.toMatchObject({
      code: 'model_unreadable',
      message: `${file}: there is no such file`,
    })
    await expect(open({ models: [folder] })).rejects.toMatchObject({
      code: 'model_unreadable',
      message: `${folder}: expected a file, got a folder`,
    })
  })

  test.each([
    ['predict: undefined', '`predict`: expected a function, got undefined'],
    ["name: 'Two words'", '`name`: expected a name of 1 to 56 of'],
    ["name: 'a/b'", '`name`: expected'],
    ["name: 'a'.repeat(57)", '`name`: expected'],
    ["version: ''", '`version`: expected a version of'],
    ["runs: 'fast'", '`runs`: expected "inline", "threaded" or "process", got "fast"'],
    ["input: 'image'", '`input`: expected "text" or "json", got "image"'],
    ['batchMax: 0', '`batchMax`: expected a whole number from 1 to 10,000, got 0'],
    ['batchDelayMs: 1.5', '`batchDelayMs`: expected a whole number from 0 to 10,000, got 1.5'],
    ['deadlineMs: "5s"', '`deadlineMs`: expected a whole number from 1 to 3,600,000, got "5s"'],
    ['warmup() {}', '`warmup`: there is no such property; did you mean `warmUp`?'],
    ["warmUp() { throw new Error('no weights') }", 'warmUp failed: no weights'],
  ])('%s', async (properties, message) => {
    await expect(open({ models: [moduleOf(properties)] })).rejects.toThrow(message)
  })
})

describe('an inline model', () => {
  test('whose warmUp never ends is not waited for for ever', async () => {
    const models = [inline({ warmUp: () => new Promise(() => {}) })]
    await expect(open({ models, loadMs: 10 })).rejects.toMatchObject({
      code: 'model_unreadable',
      message: expect.stringContaining('it was not ready within 10 ms'),
    })
  })

  test('that answers at once costs no timer and no promise', async () => {
    const { models } = await open({ models: [inline()] })
    const timer = vi.spyOn(globalThis, 'setTimeout')
    expect(models.get('mine')?.predict(['a', 'b'])).toEqual(['a', 'b'])
    expect(timer).not.toHaveBeenCalled()
    timer.mockRestore()
  })

  test('is never asked for more than its batch, and still answers at once', async () => {
    const sizes: number[] = []
    const predict: Model['predict'] = (inputs) => {
      sizes.push(inputs.length)
      return inputs
    }
    const { models } = await open({ models: [inline({ batchMax: 2, predict })] })
    expect(models.get('mine')?.predict(['a', 'b', 'c', 'd', 'e'])).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(sizes).toEqual([2, 2, 1])
  })

  test('that takes its time is answered slice by slice', async () => {
    const { models } = await open({ models: [inline({ batchMax: 2, predict: async (inputs) => inputs })] })
    expect(await models.get('mine')?.predict(['a', 'b', 'c'])).toEqual(['a', 'b', 'c'])
  })

  test('asks once to be told of a client that goes, however many slices there are', async () => {
    const model = inline({
      batchMax: 1,
      predict: async (inputs, { signal }) => {
        signal.throwIfAborted()
        return inputs
      },
    })
    const { models } = await open({ models: [model] })
    const listeners: (() => void)[] = []
    const onClientGone = (listener: () => void) => listeners.push(listener)
    const answer = models.get('mine')?.predict(['a', 'b', 'c'], { onClientGone })
    expect(listeners).toHaveLength(1)
    listeners[0]?.()
    await expect(answer).rejects.toThrow('the client went away')
  })

  test('is given up with its signal, which the model hears', async () => {
    const heard: unknown[] = []
    const predict: Model['predict'] = (_inputs, { signal }) =>
      new Promise(() => signal.addEventListener('abort', () => heard.push(signal.reason)))
    const { models } = await open({ models: [inline({ predict })] })
    const controller = new AbortController()
    const answer = models.get('mine')?.predict(['a'], { signal: controller.signal })
    const reason = new Error('enough')
    controller.abort(reason)
    await expect(answer).rejects.toBe(reason)
    expect(heard).toEqual([reason])
  })

  test('may refuse an input, and no more than that', async () => {
    const { models } = await open({
      models: [
        inline({
          predict([code]) {
            throw new Refusal(code === 'mine' ? 'input_invalid' : 'key_invalid')
          },
        }),
      ],
    })
    expect(() => models.get('mine')?.predict(['mine'])).toThrow(
      expect.objectContaining({ code: 'input_invalid' }),
    )
    expect(() => models.get('mine')?.predict(['yours'])).toThrow(
      expect.objectContaining({ code: 'model_failed' }),
    )
  })
})
