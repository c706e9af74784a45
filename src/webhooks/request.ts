import http, { type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import https from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { DeliveryFailure, reasonOf } from './failure.ts'
import { type ResolveName, resolveTarget } from './resolve.ts'
import type { TargetRules, WebhookTarget } from './target.ts'

/** What of a receiver's answer is used. */
export interface WebhookAnswer {
  readonly status: number
  /** `Retry-After` as it came; null where there was none. */
  readonly retryAfter: string | null
}

export interface WebhookRequest {
  readonly target: WebhookTarget
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Aborted where the process is about to end. */
  readonly signal: AbortSignal
}

export interface SendOptions {
  readonly rules: TargetRules
  readonly resolve: ResolveName
  /** For look-up, connection, request and answer together, in milliseconds. */
  readonly deadlineMs: number
  /** Certificates that are trusted instead of the system's. @default the system's */
  readonly ca?: string | undefined
}

/**
 * How much of an answer's body is read, and thrown away, in bytes: a receiver that is cut off while
 * it still speaks would see a failure.
 */
const answerBytesMax = 65_536

/**
 * How long an answer's body is listened to, in milliseconds: what is wanted of an answer is its
 * status, which has come before.
 */
const answerBodyMs = 1_000

/** Most bytes that an answer's head may have. */
const answerHeadBytesMax = 16_384

/**
 * No socket outlives its request, none is waited for, no TLS session is taken up again, and no
 * proxy that the environment names is asked.
 */
const agentOptions = { keepAlive: false, maxSockets: Number.POSITIVE_INFINITY } as const
const agents = {
  http: new http.Agent(agentOptions),
  https: new https.Agent({ ...agentOptions, maxCachedSessions: 0 }),
}

/**
 * Sends one webhook: one request, on a connection of its own, to an address that was checked.
 * Follows no redirect.
 *
 * @throws DeliveryFailure by rejecting, with the reason
 */
export async function sendWebhook(request: WebhookRequest, options: SendOptions): Promise<WebhookAnswer> {
  const attempt = new AbortController()
  const stop = (): void => attempt.abort(new DeliveryFailure('stopped'))
  const deadline = setTimeout(() => attempt.abort(new DeliveryFailure('timeout')), options.deadlineMs)
  request.signal.addEventListener('abort', stop, { once: true })
  if (request.signal.aborted) stop()
  try {
    return await Promise.race([resolveAndSend(request, options, attempt.signal), abortOf(attempt.signal)])
  } catch (thrown) {
    // What an aborted connection throws says less than why it was aborted.
    if (attempt.signal.aborted) throw attempt.signal.reason
    throw new DeliveryFailure(reasonOf(thrown))
  } finally {
    clearTimeout(deadline)
    request.signal.removeEventListener('abort', stop)
  }
}

async function resolveAndSend(
  request: WebhookRequest,
  { rules, resolve, ca }: SendOptions,
  signal: AbortSignal,
): Promise<WebhookAnswer> {
  signal.throwIfAborted()
  const { addresses } = rules
  const reachable = await resolveTarget(request.target.host, { addresses, resolve, signal })
  // A name server may answer after the time was over.
  signal.throwIfAborted()
  return exchange(request, reachable, signal, ca)
}

function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

function exchange(
  { target, headers, body }: WebhookRequest,
  reachable: readonly string[],
  signal: AbortSignal,
  ca: string | undefined,
): Promise<WebhookAnswer> {
  return new Promise((resolve, reject) => {
    const options: RequestOptions = {
      method: 'POST',
      // The original host: it goes into `Host` and, over TLS, is the name that the certificate must
      // bear.
      host: target.host,
      port: target.port,
      path: target.path,
      lookup: answerWith(reachable),
      headers: { ...headers, 'content-length': Buffer.byteLength(body), connection: 'close' },
      maxHeaderSize: answerHeadBytesMax,
      signal,
    }
    const sent = target.isTls
      ? // Said aloud, for the environment could turn it off (NODE_TLS_REJECT_UNAUTHORIZED).
        https.request({ ...options, agent: agents.https, rejectUnauthorized: true, ...(ca && { ca }) })
      : http.request({ ...options, agent: agents.http })
    sent.once('response', (answer) => {
      // Has come: whatever becomes of its body, the receiver has spoken.
      resolve({ status: answer.statusCode ?? 0, retryAfter: answer.headers['retry-after'] ?? null })
      discardBody(sent, answer)
    })
    // Switching protocols is no answer to a webhook. Its socket is the request's no more: an error
    // of it would have no listener, and end the process.
    sent.once('upgrade', (_answer, socket) => {
      socket.on('error', () => {}).destroy()
      reject(new Error('the receiver wanted another protocol'))
    })
    sent.on('error', reject)
    sent.once('close', () => reject(new Error('the connection closed without an answer')))
    sent.end(body)
  })
}

/** Replaces the look-up of a connection: gives the addresses that were checked, without a query. */
function answerWith(addresses: readonly string[]): LookupFunction {
  const found = addresses.map((address) => ({ address, family: isIP(address) }))
  return (_host, { all }, callback) => {
    const [first] = found
    if (all === true || first === undefined) callback(null, [...found])
    else callback(null, first.address, first.family)
  }
}

function discardBody(sent: ClientRequest, answer: IncomingMessage): void {
  let bytes = 0
  const cut = setTimeout(() => sent.destroy(), answerBodyMs).unref()
  answer.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > answerBytesMax) sent.destroy()
  })
  // A body that breaks off is no failure any more.
  answer.on('error', () => sent.destroy())
  answer.once('close', () => clearTimeout(cut))
}
