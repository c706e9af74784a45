import { parse } from 'secure-json-parse'
import { Refusal } from '../../core/refusal.ts'

/**
 * Parses JSON. `__proto__` and `constructor.prototype` are refused, so that no later code can trip
 * over them.
 *
 * @throws Refusal `input_invalid` for text that is not JSON, or has such a member; it is not
 *   repeated
 */
export function parseJsonText(text: string): unknown {
  try {
    return parse(text, { protoAction: 'error', constructorAction: 'error' })
  } catch {
    throw isJson(text)
      ? invalidBody(
          'No member may be called `__proto__`, or `prototype` in a `constructor`',
          'name_forbidden',
        )
      : invalidJson()
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

export function invalidJson(): Refusal {
  return invalidBody('The body is not valid JSON', 'json_invalid')
}

export function invalidBody(msg: string, type: string): Refusal {
  return new Refusal('input_invalid', undefined, { errors: [{ loc: ['body'], msg, type }] })
}
