import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import { expect, test } from 'vitest'
import { gatherBody } from './gather-body.ts'

/** A body that is read: what it came to, and what brings it. */
function reading(bodyLimit: number, headers: IncomingMessage['headers'] = {}) {
  const payload = Object.assign(new EventEmitter(), { headers, resume: () => payload })
  const ends: (string | undefined)[] = []
  gatherBody(
    // Of both no more than a reading looks at.
    { routeOptions: { bodyLimit } } as unknown as FastifyRequest,
    payload as unknown as IncomingMessage,
    (error, body) => ends.push(error === null ? body?.toString() : `${(error as { code?: string }).code}`),
  )
  return { payload, ends }
}

test('a body in pieces of a byte is read without keeping any of them', () => {
  const { payload, ends } = reading(5)
  const piece = Buffer.alloc(1)
  for (const letter of 'hello') {
    piece.write(letter)
    payload.emit('data', piece)
  }
  payload.emit('end')
  expect([ends, payload.eventNames()]).toEqual([['hello'], []])
})

test('a body that is empty is one of no bytes', () => {
  const { payload, ends } = reading(5)
  payload.emit('end')
  expect(ends).toEqual([''])
})

test('a body beyond its route’s limit is refused once: before it is read where its length says so', () => {
  const said = reading(5, { 'content-length': '6' })
  expect([said.ends, said.payload.eventNames()]).toEqual([['body_too_large'], []])
  const { payload, ends } = reading(5)
  payload.emit('data', Buffer.from('hello'))
  payload.emit('data', Buffer.from('!'))
  payload.emit('data', Buffer.from('!'))
  payload.emit('end')
  expect([ends, payload.eventNames()]).toEqual([['body_too_large'], []])
})

test('a client that leaves while it sends ends it', () => {
  const { payload, ends } = reading(5)
  payload.emit('data', Buffer.from('he'))
  payload.emit('error', Object.assign(new Error('aborted'), { code: 'ECONNRESET' }))
  expect([ends, payload.eventNames()]).toEqual([['ECONNRESET'], []])
})
