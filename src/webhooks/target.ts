import { isIP } from 'node:net'
import type { TargetAddresses } from './target-address.ts'

/** Where a webhook goes, taken apart once: what is checked is what is connected to. */
export interface WebhookTarget {
  readonly isTls: boolean
  /** The name or the address, without brackets and without the dot at its end. */
  readonly host: string
  readonly port: number
  /** Path and query. */
  readonly path: string
}

export type ParsedTarget = { readonly target: WebhookTarget } | { readonly fault: string }

/** What a target is checked against. */
export interface TargetRules {
  readonly addresses: TargetAddresses
  /** Whether plain `http` is let through. */
  readonly allowHttp: boolean
}

/** Longest webhook URL, in characters. */
const webhookUrlLengthMax = 2_048

/**
 * Ports below this belong to other services, save those of HTTP itself: a request there is a
 * message to a mail server, not a webhook.
 */
const freePortsFrom = 1_024

const hostName = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/

/**
 * Reads a webhook's URL as far as it can be judged without asking anybody: a name's addresses are
 * looked up when it is connected to, and only then, so that there is no earlier answer to be
 * trusted. The fault says what is allowed and holds nothing of the URL.
 */
export function parseTarget(text: string, rules: TargetRules): ParsedTarget {
  const schemes = rules.allowHttp ? '`https` or `http`' : '`https`'
  if (text.length > webhookUrlLengthMax) return fault(`a URL of at most ${webhookUrlLengthMax} characters`)
  // The standard's parser takes away blanks and reads `\` as `/`; whatever was sent so was not
  // meant so.
  const url = /^[!-[\]-~]+$/.test(text) ? URL.parse(text) : null
  if (url === null) return fault(`an absolute ${schemes} URL in ASCII`)
  const isTls = url.protocol === 'https:'
  if (!isTls && !(rules.allowHttp && url.protocol === 'http:')) return fault(`a URL with ${schemes}`)
  if (url.username !== '' || url.password !== '') return fault('a URL without user name and password')
  const port = url.port === '' ? (isTls ? 443 : 80) : Number(url.port)
  if (port !== (isTls ? 443 : 80) && port < freePortsFrom) {
    return fault(`port ${rules.allowHttp ? '443, 80 (`http`)' : '443'}, or one from ${freePortsFrom} on`)
  }
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  if (!mayName(host, rules.addresses)) return fault('a name or an address of the public internet')
  return { target: { isTls, host, port, path: `${url.pathname}${url.search}` } }
}

function fault(expected: string): ParsedTarget {
  return { fault: `expected ${expected}` }
}

/**
 * The parser has turned every notation of an IPv4 address into the dotted one, so that a host is an
 * address or a name.
 */
function mayName(host: string, addresses: TargetAddresses): boolean {
  if (isIP(host) !== 0) return addresses.mayReach(host)
  if (host.length > 253 || !hostName.test(host)) return false
  return !isLocalName(host) || localAddresses.some((address) => addresses.mayReach(address))
}

/**
 * What `localhost` and the names below it stand for, whatever a name server says (RFC 6761 §6.3).
 */
export const localAddresses: readonly string[] = ['127.0.0.1', '::1']

/** Whether a name stands for this machine. */
export function isLocalName(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost')
}
