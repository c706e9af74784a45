import { expect, test } from 'vitest'
import type { ClosedField } from '../../src/gateway/presets/preset.ts'
import { presets } from '../../src/gateway/presets/presets.ts'
import { everything, type Kind, kinds, modelOf, openKind } from './open-kind.ts'

/** A body with a value at the place of a closed field. */
type Made = (value: unknown) => object

function nested(field: string, value: unknown): object {
  const [name = '', ...rest] = field.split('.')
  return { [name]: rest.length === 0 ? value : nested(rest.join('.'), value) }
}

/** Where a closed field may stand on a path, and what is refused there. */
function placesOf({ field, types, isInItems }: ClosedField): readonly Made[] {
  if (types !== undefined) return [(value) => ({ [field]: value === null ? [] : [{ type: value }] })]
  if (isInItems !== true) return [(value) => nested(field, value)]
  const member = (value: unknown): object => ({ type: 'text', text: 'a', ...nested(field, value) })
  return [
    (value) => ({ messages: [{ role: 'user', content: [member(value)] }] }),
    (value) => ({ messages: [{ role: 'assistant', content: 'a', ...nested(field, value) }] }),
    (value) => ({ input: [{ type: 'message', role: 'user', content: [member(value)] }] }),
  ]
}

/** Every closed field of a kind on every route that it is closed on. */
function closedOf(kind: Kind) {
  const { closedFields, routes } = presets[kind]
  const calls = routes.filter(({ method, asks }) => method === 'POST' && asks === 'its model')
  return closedFields.flatMap((closed) =>
    calls
      .filter(({ path }) => closed.paths?.includes(path) ?? true)
      .flatMap(({ path }) => placesOf(closed).map((made) => ({ closed, path, made }))),
  )
}

/** `tools.type`, where only the types of its objects are closed. */
const nameOf = ({ field, types }: ClosedField): string => (types === undefined ? field : `${field}.type`)

test.each(kinds)(
  'no closed field of %s gets to the upstream on any route: 422 that names it',
  async (kind) => {
    await using opened = await openKind(kind)
    const base = { ...everything, model: modelOf[kind], prompt: 'why' }
    const closed = closedOf(kind)
    expect(new Set(closed.map(({ closed: { field } }) => field))).toEqual(
      new Set(presets[kind].closedFields.map(({ field }) => field)),
    )
    const post = (path: string, more: object): Promise<Response> => {
      // There it is the id of a prompt that the upstream keeps, and closed itself.
      const own = path === '/v1/responses' ? { prompt: null } : {}
      return opened.post(path, { ...base, ...own, ...more }, { key: opened.key })
    }
    for (const { closed: field, path, made } of closed) {
      const refused = await post(path, made(field.value ?? 'a'))
      const text = await refused.text()
      expect([kind, path, nameOf(field), refused.status], text).toEqual([kind, path, nameOf(field), 422])
      expect(text).toMatch(/"(?:code|error_type)":"input_invalid"/)
      expect(text).toContain(nameOf(field))
    }
    expect(opened.forwarded()).toEqual([])
    for (const { path, made } of closed) {
      const answer = await post(path, made(null))
      expect([kind, path, answer.status], await answer.text()).toEqual([kind, path, 200])
    }
    expect(opened.forwarded()).toHaveLength(closed.length)
  },
)
