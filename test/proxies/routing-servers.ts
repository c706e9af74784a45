import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import express from 'express'
import express4 from 'express-4'
import { fastify } from 'fastify'
import { findFreePort } from '../support/services.ts'

/** A server that tells as which of these routes it has understood a request. */
export interface RoutingServer extends AsyncDisposable {
  readonly name: string
  /** The route; undefined where the server refuses the request itself. */
  readonly understand: (asked: Asked) => Promise<string | undefined>
}

export interface Asked {
  readonly method: string
  /** As it goes over the wire. */
  readonly target: string
}

/** The most specific first: Express takes the first that fits. */
export type Routes = readonly { readonly method: string; readonly pattern: string }[]

/** What a server says of a request that none of its routes takes. */
export const unlisted = 'unlisted'

/** @param isLenient with every option that has it overlook a difference */
export async function startFastify(routes: Routes, isLenient = false): Promise<RoutingServer> {
  const app = fastify({
    routerOptions: {
      ignoreTrailingSlash: isLenient,
      ignoreDuplicateSlashes: isLenient,
      caseSensitive: !isLenient,
      // Fastify takes it, and its types have it only at the older place.
      ...{ useSemicolonDelimiter: isLenient },
    },
  })
  for (const { method, pattern } of routes)
    app.route({
      method: method === '*' ? app.supportedMethods : method,
      url: pattern,
      exposeHeadRoute: method === 'GET',
      handler: (_request, reply) => reply.header('x-route', `${method} ${pattern}`).send(''),
    })
  app.setNotFoundHandler((_request, reply) => reply.header('x-route', unlisted).send(''))
  await app.listen({ host: '127.0.0.1', port: 0 })
  return asking(isLenient ? 'Fastify, lenient' : 'Fastify', (app.server.address() as AddressInfo).port, () =>
    app.close(),
  )
}

export function startExpress5(routes: Routes): Promise<RoutingServer> {
  return startExpress('Express 5', express, routes, '*rest')
}

export function startExpress4(routes: Routes): Promise<RoutingServer> {
  return startExpress('Express 4', express4, routes, '*')
}

/** A suffix says what the answer is to be, as Rails has it by default. */
export function startExpress4WithFormats(routes: Routes): Promise<RoutingServer> {
  return startExpress('Express 4, with formats', express4, routes, '*', '.:format?')
}

async function startExpress(
  name: string,
  create: typeof express,
  routes: Routes,
  wildcard: string,
  format = '',
): Promise<RoutingServer> {
  const app = create()
  for (const { method, pattern } of routes)
    app[method === '*' ? 'all' : (method.toLowerCase() as 'get')](
      pattern.endsWith('*') ? pattern.replace(/\*$/, wildcard) : pattern + format,
      (_request, response) => void response.set('x-route', `${method} ${pattern}`).end(),
    )
  app.use((_request, response) => void response.set('x-route', unlisted).end())
  const server = createServer(app)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return asking(name, (server.address() as AddressInfo).port, async () => {
    server.closeAllConnections()
    server.close()
  })
}

/** Its locations are the same routes; methods it tells apart by a `map`. */
export async function startNginx(program: string, routes: Routes): Promise<RoutingServer> {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-spellings-'))
  const port = await findFreePort()
  const file = join(folder, 'nginx.conf')
  writeFileSync(file, nginxConfig(port, routes))
  const child = spawn(program, ['-c', file, '-p', folder, '-g', 'daemon off;'], { stdio: 'ignore' })
  const ended = once(child, 'exit')
  while (!(await isOpen(port))) if (child.exitCode !== null) throw new Error(`nginx ended: ${child.exitCode}`)
  return asking('nginx', port, async () => {
    child.kill('SIGTERM')
    await ended
    rmSync(folder, { recursive: true, force: true })
  })
}

function nginxConfig(port: number, routes: Routes): string {
  const patterns = [...new Set(routes.map(({ pattern }) => pattern))]
  const locations = patterns.map((pattern) => {
    const of = routes.filter((route) => route.pattern === pattern)
    const any = of.find(({ method }) => method === '*')
    const returns = of
      .filter(({ method }) => method !== '*')
      .map(({ method }) => {
        const methods = method === 'GET' ? 'GET|HEAD' : method
        return `if ($request_method ~ ^(${methods})$) { add_header x-route "${method} ${pattern}"; return 200; }`
      })
    const rest = any === undefined ? unlisted : `* ${pattern}`
    return `location ${locationOf(pattern)} { ${returns.join(' ')} add_header x-route "${rest}"; return 200; }`
  })
  return `worker_processes 1; pid nginx.pid; error_log stderr; events { worker_connections 64; }
    http { access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
      uwsgi_temp_path uwsgi; scgi_temp_path scgi;
      server { listen 127.0.0.1:${port}; ${locations.join('\n')}
        location / { add_header x-route "${unlisted}"; return 200; } } }`
}

function locationOf(pattern: string): string {
  if (pattern.endsWith('/*')) return `^~ ${pattern.slice(0, -1)}`
  return pattern.includes('/:') ? `~ ^${pattern.replace(/\/:\w+/g, '/[^/]+')}$` : `= ${pattern}`
}

function asking(name: string, port: number, close: () => Promise<unknown>): RoutingServer {
  return {
    name,
    async understand({ method, target }) {
      const sent = request({ host: '127.0.0.1', port, agent: false, method, path: target })
      // A refusal of HEAD may have a body none the less: what counts is its head.
      sent.on('error', () => {}).end()
      const [response] = await once(sent, 'response')
      response.resume()
      await once(response, 'end')
      return response.headers['x-route']
    },
    async [Symbol.asyncDispose]() {
      await close()
    },
  }
}

async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const isOpen = await new Promise<boolean>((resolve) =>
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false)),
  )
  socket.destroy()
  return isOpen
}
