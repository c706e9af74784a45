import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { type InputError, Refusal } from '../../core/refusal.ts'
import { openExchange } from '../../fastify/record-answers.ts'
import type { Guard } from '../../guard/guard.ts'
import { sessionCookie, sessionMs } from '../../guard/session.ts'
import { gatherBody } from '../http/gather-body.ts'
import { sendSignIn } from './sign-in-page.ts'

const formType = 'application/x-www-form-urlencoded'

/**
 * Largest body of a sign-in, in bytes: a key and a path. This route is open to everyone, and
 * parsing a megabyte of `a&a&…` takes seconds.
 */
const signInBytesMax = 8_192

const signInBody = z.object({ key: z.string(), next: z.string().optional() })

/**
 * `POST /session` turns a key into a browser's cookie, `DELETE /session` takes the cookie away.
 * Both are open to everyone: the first looks at the key itself, in its body, and the second needs
 * none.
 */
export function addSessionRoutes(app: FastifyInstance, guard: Guard): void {
  const config = { guard: 'public' } as const
  // In a scope of its own: nothing else reads forms.
  app.register(async (scope) => {
    scope.addContentTypeParser(formType, (request, payload, done) =>
      gatherBody(request, payload, (error, body) => {
        if (body === undefined) done(error)
        else done(null, Object.fromEntries(new URLSearchParams(body.toString())))
      }),
    )
    scope.post(
      '/session',
      {
        config,
        bodyLimit: signInBytesMax,
        schema: {
          operationId: 'signIn',
          summary: 'Sign a browser in',
          description:
            'Sets a cookie for 12 hours that opens the docs and, with the CSRF header, the admin API.',
          tags: ['session'],
          consumes: ['application/json', formType],
          describes: {
            body: signInBody,
            answers: { 204: { description: 'Signed in.' }, 303: { description: 'Signed in by the form.' } },
            faults: [403, 503],
          },
        },
      },
      (request, reply) => signIn(guard, request, reply),
    )
    scope.delete(
      '/session',
      {
        config,
        schema: {
          operationId: 'signOut',
          summary: 'Sign a browser out',
          tags: ['session'],
          describes: { answers: { 204: { description: 'Signed out.' } }, faults: [403] },
        },
      },
      async (request, reply) => {
        refuseCrossSite(request)
        return setCookie(request, reply, '', 0).code(204).send()
      },
    )
  })
}

async function signIn(guard: Guard, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  // Login CSRF: another site must not sign the browser in with a key of its own.
  refuseCrossSite(request)
  const { key, next } = readSignIn(request.body)
  const isForm = request.headers['content-type']?.toLowerCase().startsWith(formType) === true
  // The route is public: no guard has opened the exchange.
  const verdict = await guard.signIn(openExchange(guard, request, reply), key)
  if (!verdict.admitted) {
    if (!isForm) throw verdict.refusal
    return sendSignIn(request, reply, verdict.refusal, localPath(next))
  }
  setCookie(request, reply, verdict.session, sessionMs / 1_000)
  return isForm ? reply.code(303).header('location', localPath(next)).send() : reply.code(204).send()
}

function refuseCrossSite(request: FastifyRequest): void {
  if (isCrossSite(request))
    throw new Refusal('forbidden', 'Another site may not sign a browser in or out.', { reason: 'cross-site' })
}

function readSignIn(body: unknown): { readonly key: string; readonly next: unknown } {
  const { key, next } = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
  if (typeof key !== 'string') throw invalidKeyField(key === undefined)
  return { key: key.trim(), next }
}

function invalidKeyField(isMissing: boolean): Refusal {
  const error: InputError = isMissing
    ? { loc: ['body', 'key'], msg: 'Field required', type: 'missing' }
    : { loc: ['body', 'key'], msg: 'Input should be a valid string', type: 'string_type' }
  return new Refusal('input_invalid', undefined, { errors: [error] })
}

/**
 * `Secure` wherever the browser came by HTTPS, straight or through a trusted proxy; over plain HTTP
 * it would be dropped.
 */
function setCookie(
  request: FastifyRequest,
  reply: FastifyReply,
  value: string,
  seconds: number,
): FastifyReply {
  const secure = request.protocol === 'https' ? '; Secure' : ''
  return reply.header(
    'set-cookie',
    `${sessionCookie}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure}`,
  )
}

/**
 * Whether another site's page made a browser send this: by `Sec-Fetch-Site`, which pages cannot
 * forge, and by `Origin` where a browser does not send it. Programs that are not browsers send
 * neither, and hold no cookie that could be abused.
 */
function isCrossSite({ headers, host }: FastifyRequest): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  const { origin } = headers
  if (origin === undefined) return false
  return !URL.canParse(origin) || new URL(origin).host !== host.toLowerCase()
}

/** Only its origin matters, and only to see whether a path leaves it. */
const base = 'http://local.invalid'

/**
 * The path to send a browser back to after it signed in, if it stays on this server; `/` for
 * anything else. Browsers drop tabs and read backslashes as slashes, so what is checked, and sent,
 * is what they would make of it.
 */
export function localPath(text: unknown): string {
  if (typeof text !== 'string' || !text.startsWith('/') || !URL.canParse(text, base)) return '/'
  const { origin, pathname, search } = new URL(text, base)
  // `/.//example.com` is on this origin and becomes `//example.com`, which is not.
  return origin === base && !pathname.startsWith('//') ? pathname + search : '/'
}
