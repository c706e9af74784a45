import { EventEmitter } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { boundPipelines } from './pipeline.ts'

/** A connection as Bun shows it: it parses by itself, and nothing listens for its bytes. */
function connectParsed() {
  const socket = Object.assign(new EventEmitter(), {
    destroyed: false,
    pause: () => socket,
    resume: () => socket,
    destroy() {
      socket.destroyed = true
    },
  })
  const server = new EventEmitter()
  const open: (EventEmitter & { closed: boolean })[] = []
  boundPipelines(server as Server, (_request, response) => void open.push(response as never))
  server.emit('connection', socket)
  return {
    socket,
    open,
    send(requests: number): void {
      for (let sent = 0; sent < requests && !socket.destroyed; sent += 1) {
        const request = { socket, headers: {} } as unknown as IncomingMessage
        const response = Object.assign(new EventEmitter(), { closed: false })
        server.emit('request', request, response as unknown as ServerResponse)
      }
    },
    answerOldest(): void {
      const response = open.shift()
      if (response === undefined) throw new Error('nothing is open')
      response.closed = true
      response.emit('close')
    },
  }
}

test('where the runtime parses by itself, sixteen requests of a connection are worked on at once, and all in turn', async () => {
  const { send, open, answerOldest, socket } = connectParsed()
  send(200)
  for (let answered = 0; answered < 200; answered += 1) {
    while (open.length === 0) await new Promise(setImmediate)
    expect(open.length).toBeLessThanOrEqual(16)
    answerOldest()
  }
  expect([open.length, socket.destroyed]).toEqual([0, false])
})

test('a connection with more requests than any client has use for is cut off there', async () => {
  const { send, socket, open } = connectParsed()
  send(20_000)
  expect(socket.destroyed).toBe(true)
  while (open.length < 1) await new Promise(setImmediate)
  for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate)
  expect(open).toHaveLength(1)
})
