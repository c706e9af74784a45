import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { FastifyInstance } from 'fastify'
import { expect, test } from 'vitest'
import { isOwnRoute } from '../../src/gateway/routes/own-paths.ts'
import { openTestApp } from '../support/test-app.ts'

test('every route that the server declares is its own before any upstream’s', async () => {
  const declared = new Set<string>()
  const collect = (message: unknown): void => {
    const { fastify: instance } = message as { fastify: FastifyInstance }
    instance.addHook('onRoute', ({ url }) => void declared.add(url))
  }
  subscribe('fastify.initialization', collect)
  try {
    const { app } = await openTestApp({
      page: async () => {
        throw new Error('not asked')
      },
    })
    await app.close()
  } finally {
    unsubscribe('fastify.initialization', collect)
  }
  expect([...declared]).toEqual(expect.arrayContaining(['/health', '/metrics', '/v1/keys/:id/rotate']))
  expect([...declared].filter((path) => !isOwnRoute('GET', path))).toEqual([])
})
