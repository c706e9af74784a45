import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Refusal } from '../../core/refusal.ts'
import { namesOf } from './body-names.ts'
import type { BodyChanges, BodyRules, CallBody } from './call-body.ts'
import { readCall } from './read-call.ts'
import { BodyScan } from './scan-body.ts'

const rules: BodyRules = {
  route: {
    method: 'POST',
    path: '/v1/completions',
    asks: 'its model',
    answeredBy: 'upstream',
    dialect: 'openai',
    form: 'openai',
    streams: 'asked',
    output: {
      fields: ['max_tokens', 'options.num_predict'],
      writes: 'options.num_predict',
      isOpenBelowOne: true,
      answers: [['n', 'best_of']],
      prompts: 'prompt',
    },
  },
  closedFields: [{ field: 'priority' }, { field: 'options.num_ctx' }],
  refusesMediaByUrl: true,
}

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

/** What a body is read as, or the types of its faults. */
function outcomeOf(bytes: Buffer): CallBody | readonly string[] {
  try {
    return readCall(bytes, rules)
  } catch (thrown) {
    if (!(thrown instanceof Refusal) || thrown.code !== 'input_invalid') throw thrown
    return (thrown.errors ?? []).map(({ type }) => type)
  }
}

const odd = fc.constantFrom<Json>(1.5, -2, 2 ** 31, 1e12, '', '1', -1, true, [], [1, 2], ['a'], { a: 1 })

/** Values that a field may have, and now and then one that it may not. */
function field(...fit: readonly Json[]): fc.Arbitrary<Json> {
  return fc.oneof({ weight: 30, arbitrary: fc.constantFrom<Json>(null, ...fit) }, odd)
}

const body = fc
  .tuple(
    fc.dictionary(fc.string(), fc.jsonValue() as fc.Arbitrary<Json>, { maxKeys: 5 }),
    fc.record(
      {
        model: field('a', 'llama3.2:3b'),
        stream: field(true, false),
        max_tokens: field(-1, 0, 1, 7, 2 ** 31 - 1),
        n: field(0, 1, 3),
        best_of: field(0, 2),
        prompt: field('a', [], [1, 2], ['a', 'b'], ['a', 1], [[1], [2]]),
        priority: field(),
        temperature: odd,
        options: fc.oneof(
          {
            weight: 20,
            arbitrary: fc.record({ num_predict: field(-1, 0, 5), seed: odd }, { requiredKeys: [] }),
          },
          fc.record({ num_ctx: field(), model: odd }, { requiredKeys: [] }),
          field(),
        ),
        stream_options: fc.oneof(
          fc.record({ include_usage: field(true, false), num_predict: odd }, { requiredKeys: [] }),
          field(),
        ),
      },
      { requiredKeys: [] },
    ),
  )
  .filter(([others]) => !wanted.test(JSON.stringify(others)))
  .map(([others, fields]) => ({ ...others, ...fields }) as Record<string, Json>)

/** Names that a body is refused for, or read by, in any letter case. */
const wanted = /"(?:n|__proto__|source|document|(?:input_)?(?:image|video|audio|file)(?:_url)?)":/i

/** How a body is written: spaces between, characters as escapes, as these numbers have it. */
function write(value: Json, seed: () => number): string {
  const space = (): string => ['', '', ' ', '\n\t'][seed() % 4] as string
  const text = (of: string): string => {
    const plain = JSON.stringify(of)
    if (plain.includes('\\')) return plain
    return plain.replaceAll(/[a-z_é]/g, (letter) =>
      seed() % 8 === 0 ? `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}` : letter,
    )
  }
  const of = (each: Json): string => {
    if (typeof each === 'string') return text(each)
    if (typeof each !== 'object' || each === null) return JSON.stringify(each)
    if (Array.isArray(each)) return `[${space()}${each.map(of).join(`${space()},${space()}`)}]`
    const members = Object.entries(each).map(
      ([name, member]) => `${space()}${text(name)}${space()}:${space()}${of(member)}`,
    )
    return `{${members.join(`${space()},`)}${space()}}`
  }
  return `${space()}${of(value)}${space()}`
}

const written = fc
  .tuple(body, fc.array(fc.nat({ max: 255 }), { minLength: 1, maxLength: 64 }))
  .map(([value, numbers]) => {
    let at = 0
    return Buffer.from(write(value, () => numbers[at++ % numbers.length] as number))
  })

/** What a field says, read from what `JSON.parse` gives. */
function fieldOf(parsed: Record<string, Json>, path: string): Json | undefined {
  const [first = '', second] = path.split('.')
  const value = Object.hasOwn(parsed, first) ? parsed[first] : undefined
  if (second === undefined) return value ?? undefined
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return
  const object = value as Record<string, Json>
  return (Object.hasOwn(object, second) ? object[second] : undefined) ?? undefined
}

function isObjectOrNothing(value: Json | undefined): boolean {
  return value === undefined || (typeof value === 'object' && !Array.isArray(value))
}

function isWhole(value: Json | undefined, least: number): boolean {
  if (value === undefined) return true
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value < 2 ** 31
}

function isBoolean(value: Json | undefined): boolean {
  return value === undefined || typeof value === 'boolean'
}

/** Whether a call of these values is to be taken. */
function isFit(parsed: Record<string, Json>): boolean {
  const of = (path: string): Json | undefined => fieldOf(parsed, path)
  const model = of('model')
  return (
    (model === undefined || (typeof model === 'string' && model !== '')) &&
    isBoolean(of('stream')) &&
    isObjectOrNothing(of('options')) &&
    isObjectOrNothing(of('stream_options')) &&
    isBoolean(of('stream_options.include_usage')) &&
    isWhole(of('max_tokens'), -1) &&
    isWhole(of('options.num_predict'), -1) &&
    isWhole(of('n'), 0) &&
    isWhole(of('best_of'), 0) &&
    of('priority') === undefined &&
    of('options.num_ctx') === undefined
  )
}

function answersOf(parsed: Record<string, Json>): number {
  const prompt = fieldOf(parsed, 'prompt')
  const prompts = Array.isArray(prompt) && prompt.some((each) => typeof each !== 'number') ? prompt.length : 1
  const counts = ['n', 'best_of'].map((name) => Number(fieldOf(parsed, name) ?? 1))
  return prompts * Math.max(1, ...counts)
}

function outputOf(parsed: Record<string, Json>): number | undefined {
  const set = ['max_tokens', 'options.num_predict'].flatMap((path) => {
    const value = fieldOf(parsed, path)
    return value === undefined ? [] : [Number(value)]
  })
  return set.length === 0 || set.some((bound) => bound < 1) ? undefined : Math.max(...set)
}

describe('a body is read as a parser reads it', () => {
  test('whatever it holds, and however it is written', () => {
    let taken = 0
    fc.assert(
      fc.property(written, (bytes) => {
        const parsed = JSON.parse(bytes.toString()) as Record<string, Json>
        const call = outcomeOf(bytes)
        if (!('model' in call)) {
          expect(isFit(parsed)).toBe(false)
          return
        }
        taken += 1
        expect(isFit(parsed)).toBe(true)
        expect(call.model).toBe(fieldOf(parsed, 'model'))
        expect(call.isStream).toBe(fieldOf(parsed, 'stream') === true)
        expect(call.asksUsage).toBe(fieldOf(parsed, 'stream_options.include_usage') === true)
        expect(call.output).toBe(outputOf(parsed))
        expect(call.answers).toBe(answersOf(parsed))
      }),
      { numRuns: 500 },
    )
    expect(taken).toBeGreaterThan(100)
  })

  test('and is refused as no JSON exactly where a parser refuses it', () => {
    const piece = fc.constantFrom(
      '"',
      '\\',
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '0',
      '-',
      '.',
      'e',
      'u',
      't',
      '\n',
      '\u0001',
    )
    const broken = fc
      .tuple(written, fc.nat(), fc.constantFrom(0, 1), fc.oneof(piece, fc.constant('')))
      .map(([bytes, place, cut, put]) => {
        const text = bytes.toString()
        const at = place % (text.length + 1)
        return text.slice(0, at) + put + text.slice(at + cut)
      })
    let refused = 0
    fc.assert(
      fc.property(broken, (text) => {
        const outcome = outcomeOf(Buffer.from(text))
        const isRefused = Array.isArray(outcome) && outcome.includes('json_invalid')
        let isJson = true
        try {
          JSON.parse(text)
        } catch {
          isJson = false
        }
        // A text that was cut within a character of two halves is other text by now.
        if (text.isWellFormed()) expect(isRefused).toBe(!isJson)
        if (isRefused) refused += 1
      }),
      { numRuns: 1_000 },
    )
    expect(refused).toBeGreaterThan(100)
  })

  test('in any steps', () => {
    fc.assert(
      fc.property(written, fc.integer({ min: 1, max: 9 }), (bytes, count) => {
        const names = namesOf(rules)
        const whole = new BodyScan(bytes, names, true)
        const stepped = new BodyScan(bytes, names, true)
        expect(whole.readOn(bytes.length)).toBe(false)
        while (stepped.readOn(count));
        expect(names.fields.map((field) => stepped.span(field))).toEqual(
          names.fields.map((field) => whole.span(field)),
        )
        expect(stepped.faults).toEqual(whole.faults)
        expect(stepped.body).toEqual(whole.body)
        expect(stepped.prompts).toBe(whole.prompts)
      }),
    )
  })

  test('wherever its bytes stand in memory', () => {
    fc.assert(
      fc.property(written, fc.nat({ max: 7 }), (bytes, offset) => {
        const moved = Buffer.concat([Buffer.alloc(offset, 0x22), bytes, Buffer.alloc(3, 0x22)])
        const outcome = outcomeOf(moved.subarray(offset, offset + bytes.length))
        const same = outcomeOf(bytes)
        const shown = ({ model, output, answers }: CallBody) => ({ model, output, answers })
        if ('model' in same) expect(shown(outcome as CallBody)).toEqual(shown(same))
        else expect(outcome).toEqual(same)
      }),
    )
  })
})

describe('what is written', () => {
  const changes: fc.Arbitrary<BodyChanges> = fc.record(
    { model: fc.string({ minLength: 1 }), output: fc.nat({ max: 9_999 }), includeUsage: fc.boolean() },
    { requiredKeys: [] },
  )

  /** The same changes to what `JSON.parse` gives. */
  function changed(parsed: Record<string, Json>, { model, output, includeUsage }: BodyChanges) {
    const result = structuredClone(parsed) as Record<string, unknown>
    const objectOf = (name: string): Record<string, unknown> => {
      const object = (result[name] ?? {}) as Record<string, unknown>
      result[name] = object
      return object
    }
    if (model !== undefined) result['model'] = model
    if (includeUsage === true) objectOf('stream_options')['include_usage'] = true
    if (output === undefined || outputOf(parsed) !== undefined) return result
    const set = ['max_tokens', 'options.num_predict'].filter((path) => fieldOf(parsed, path) !== undefined)
    for (const path of set.length === 0 ? ['options.num_predict'] : set) {
      const bound = Number(fieldOf(parsed, path) ?? 0)
      if (bound >= 1 && bound <= output) continue
      if (path === 'max_tokens') result['max_tokens'] = output
      else objectOf('options')['num_predict'] = output
    }
    return result
  }

  test('is exactly what changes, and every other byte is as it came', () => {
    let writes = 0
    fc.assert(
      fc.property(written, changes, (bytes, change) => {
        const call = outcomeOf(bytes)
        if (!('model' in call)) return
        writes += 1
        const sent = call.write(change)
        expect(call.measure(change)).toEqual({ length: sent.length, isCopy: sent !== call.bytes })
        const parsed = JSON.parse(bytes.toString()) as Record<string, Json>
        expect(JSON.parse(sent.toString())).toEqual(changed(parsed, change))
        expect(isSplicedFrom(bytes.toString(), sent.toString())).toBe(true)
        expect(readCall(sent, rules).output).toBe(
          call.output ?? (change.output === 0 ? undefined : change.output),
        )
      }),
      { numRuns: 500 },
    )
    expect(writes).toBeGreaterThan(100)
  })

  /** Without the values and members that may change, both are the same text. */
  function isSplicedFrom(text: string, sent: string): boolean {
    return seen(text) === seen(sent)
  }

  /** Each value and name of a text but those that may change, as it is written, in its order. */
  function seen(text: string): string {
    const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s"{}[\]:,]+/g) ?? []
    const mayChange = new Set([
      'model',
      'max_tokens',
      'options',
      'num_predict',
      'stream_options',
      'include_usage',
    ])
    return tokens
      .filter((token, index) => {
        const isName = tokens[index + 1] === ':'
        const isOfName = tokens[index - 1] === ':'
        const nameOf = (name: string | undefined): string => (name?.startsWith('"') ? JSON.parse(name) : '')
        if (isName) return !mayChange.has(nameOf(token))
        if (isOfName) return !mayChange.has(nameOf(tokens[index - 2])) && !/^[{[]/.test(token)
        return !/^[{}:,]$/.test(token)
      })
      .join(' ')
  }

  test('keeps numbers, their order, escapes and spaces', () => {
    const text =
      '{ "seed":9007199254740993123, "a":1.0e+2,\t"\\u0062":"\\/\\u00e9", "model" : "x" , "z":-0.0 }'
    const sent = readCall(Buffer.from(text), rules).write({ model: 'y' })
    expect(sent.toString()).toBe(text.replace('"x"', '"y"'))
  })
})
