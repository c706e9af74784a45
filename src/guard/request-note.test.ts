import { expect, test } from 'vitest'
import { createRequestNote } from './request-note.ts'

test.each([
  ['any object', () => ({})],
  ['an object that takes no property', () => Object.freeze({})],
])('a note is kept at %s, apart from all others, until it is taken back', (_what, create) => {
  const heads = createRequestNote<object, string>('head')
  const callers = createRequestNote<object, string>('head')
  const [one, other] = [create(), create()]
  expect(heads.get(one)).toBeUndefined()
  heads.set(one, 'first')
  callers.set(one, 'second')
  expect([heads.get(one), callers.get(one), heads.get(other)]).toEqual(['first', 'second', undefined])
  heads.set(one, undefined)
  expect([heads.get(one), callers.get(one)]).toEqual([undefined, 'second'])
})

test('a note shows in no JSON and among no names of the object', () => {
  const heads = createRequestNote<object, string>('head')
  const one = { path: '/' }
  heads.set(one, 'first')
  expect([JSON.stringify(one), Object.keys(one)]).toEqual(['{"path":"/"}', ['path']])
})
