import { suggest } from '../core/suggest.ts'
import { limitSettingForms, parseLimitSettings } from '../limits/limit-setting.ts'
import { showValue } from './config-fault.ts'
import { redact } from './redact.ts'
import type { InputFault } from './setting.ts'

/** Finds what is wrong with a part of a setting that is an object; `at` is where it stands. */
export type Check = (at: string, value: unknown) => readonly InputFault[]

/** Checks each member of an object, and finds those that mean nothing. */
export function checkFields(
  fields: Readonly<Record<string, Check>>,
): (at: string, value: Readonly<Record<string, unknown>>) => readonly InputFault[] {
  return (at, value) =>
    Object.entries(value).flatMap(([name, part]) => {
      const check = Object.hasOwn(fields, name) ? fields[name] : undefined
      return check === undefined
        ? [unknownField(at, name, Object.keys(fields))]
        : check(within(at, name), part)
    })
}

function unknownField(at: string, name: string, known: readonly string[]): InputFault {
  const meant = suggest(name, known)
  const hint = meant === undefined ? `there are ${known.join(', ')}` : `did you mean ${meant}?`
  return { at: within(at, name), expected: 'a field that there is', got: 'one that means nothing', hint }
}

/** Limits of a key. */
export const checkLimits: Check = (at, value) => {
  if (!Array.isArray(value)) return [fault(at, `a list of limits such as ${limitSettingForms}`, value)]
  const texts: readonly string[] = value.map((text) => (typeof text === 'string' ? text : ''))
  return parseLimitSettings(texts).faults.map(({ index, message }) => ({
    at: `${at}[${index}]`,
    expected: message.replace(/^expected /, ''),
    got: showValue(value[index]),
  }))
}

/** The place of a member; a name that is no plain one stands as a fault shows it. */
export function within(at: string, name: string): string {
  return /^[\w.-]{1,64}$/.test(name) ? `${at}.${redact(name)}` : `${at}[${showValue(name)}]`
}

/** A fault of a value that may be shown. */
export function fault(at: string, expected: string, got: unknown): InputFault {
  return { at, expected, got: showValue(got) }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
