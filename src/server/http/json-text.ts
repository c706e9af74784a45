import { Refusal } from '../../core/refusal.ts'

/**
 * Parses JSON. `__proto__` and `constructor.prototype` are refused, so that no later code can trip
 * over them.
 *
 * @throws Refusal `input_invalid` for text that is not JSON, or has such a member; it is not
 *   repeated
 */
export function parseJsonText(text: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw invalidJson()
  }
  if (suspect.test(text) && hasForbiddenName(value))
    throw invalidBody(
      'No member may be called `__proto__`, or `prototype` in a `constructor`',
      'name_forbidden',
    )
  return value
}

/** What a forbidden name has, as it is or with escapes, and few other texts. */
const suspect = /__proto__|constructor|\\u00[567]/

/**
 * As `secure-json-parse` looks for them, in a fraction of its time: a megabyte of empty objects
 * beside one such name held up the event loop for 150 ms.
 */
function hasForbiddenName(value: unknown): boolean {
  const left: unknown[] = [value]
  for (let node = left.pop(); node !== undefined; node = left.pop()) {
    if (typeof node !== 'object' || node === null) continue
    if (Array.isArray(node)) {
      for (const item of node) if (typeof item === 'object') left.push(item)
      continue
    }
    if (isForbidden(node)) return true
    for (const item of Object.values(node)) if (typeof item === 'object') left.push(item)
  }
  return false
}

function isForbidden(node: object): boolean {
  if (Object.hasOwn(node, '__proto__')) return true
  if (!Object.hasOwn(node, 'constructor')) return false
  const value = (node as { readonly constructor: unknown }).constructor
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'prototype')
}

export function invalidJson(): Refusal {
  return invalidBody('The body is not valid JSON', 'json_invalid')
}

export function invalidBody(msg: string, type: string): Refusal {
  return new Refusal('input_invalid', undefined, { errors: [{ loc: ['body'], msg, type }] })
}
