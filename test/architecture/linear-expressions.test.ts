import { describe, expect, test, vi } from 'vitest'
import { type Attack, attacksOn, textOf } from './attack-texts.ts'
import { literalExpressions, madeExpressions } from './expressions.ts'

/** The longest header, path or query of a request, in UTF-16 units. */
const lengthMax = 16_384
/** So short that an exponential expression ends. */
const shortest = 24

/**
 * Finds a text of 16 KiB on which an expression costs forty times what a linear one does that looks
 * ahead from each character, in this same process, so that a slow or busy machine changes nothing.
 * A quadratic one costs hundreds of times as much, ours at most a few.
 */
function findSlowText({ source, flags }: RegExp): Attack | undefined {
  const expression = new RegExp(source, flags.replace('y', ''))
  const worst = findWorstAttack(expression)
  // An exponential one would not end.
  if (costsOver(5, expression, textOf(worst, shortest))) return worst
  return costsOver(40, expression, textOf(worst, lengthMax)) ? worst : undefined
}

/**
 * The attack that costs most on a shorter text, or the first that costs far too much. What costs
 * more than those before is searched three times, and the least counts: a stall of the machine in
 * one search made an attack look the worst that is none.
 */
function findWorstAttack(expression: RegExp): Attack {
  let worst: Attack = { before: '', repeated: 'a', after: '' }
  let most = 0
  for (const attack of attacksOn(expression)) {
    if (costsOver(5, expression, textOf(attack, shortest))) return attack
    const text = textOf(attack, lengthMax / 8)
    const timesOnce = (): number => costOf(expression, text) / reference
    const first = timesOnce()
    if (first <= most) continue
    const times = Math.min(first, timesOnce(), timesOnce())
    if (times <= most) continue
    most = times
    worst = attack
    if (times > 4) break
  }
  return worst
}

/**
 * Whether it costs more than so many times the reference, whenever it runs: the first run may
 * compile it, and another process may take its turn in one.
 */
function costsOver(times: number, expression: RegExp, text: string): boolean {
  for (let run = 0; run < 2; run += 1) if (costOf(expression, text) <= times * reference) return false
  return true
}

/** Milliseconds of one search; only compared with others, and the least of several. */
function costOf(expression: RegExp, text: string): number {
  const begun = performance.now()
  text.search(expression)
  return performance.now() - begun
}

const referenceText = 'a'.repeat(lengthMax)
const reference = Math.min(
  ...Array.from({ length: 20 }, () => costOf(/(?:[a-z][a-z0-9]{0,11})?\0/, referenceText)),
)

describe('every regular expression of the sources', () => {
  test.each(literalExpressions)('$at takes time in proportion to the text', ({ expression }) => {
    expect(findSlowText(expression)).toBeUndefined()
  })
})

describe('what a file makes of text', () => {
  test.each([...Map.groupBy(madeExpressions, ({ file }) => file)])(
    '%s takes time in proportion to the text',
    async (file, places) => {
      const expressions = await makeExpressions(file)
      expect(expressions.length).toBeGreaterThanOrEqual(places.length)
      for (const expression of expressions)
        expect(findSlowText(expression), String(expression)).toBeUndefined()
    },
  )
})

/** Every expression that a file makes while it loads, or in a function that is called here. */
async function makeExpressions(file: string): Promise<readonly RegExp[]> {
  const found: RegExp[] = []
  const watched = new Proxy(RegExp, {
    construct(target, args: [string, string]) {
      const expression = new target(...args)
      found.push(expression)
      return expression
    },
  })
  vi.resetModules()
  vi.stubGlobal('RegExp', watched)
  try {
    const { keyPattern } = await import(/* @vite-ignore */ `../../${file}`)
    keyPattern?.('mw')
  } finally {
    vi.unstubAllGlobals()
  }
  return found
}

test.each([
  /\s+$/,
  /(a+)+$/,
  /^(?:a|a)*$/,
  /\s*\n\s*/,
  /^\s*respond-async\s*(?:=\s*(?:"")?\s*)?(?:;|$)/i,
  /<[^>]*>[^<]*x/,
  /^[a-m]*[k-z]*\d/,
  /"(?:[^"\\]|\\.)*"/,
  /(\d+)-\1$/,
  /^([^@]+)+@/,
])('a slow one is found: %s', (expression) => {
  expect(findSlowText(expression)).toBeDefined()
})
