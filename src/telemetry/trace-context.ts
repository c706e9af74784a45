/** Where a span stands in its trace, as W3C Trace Context has it: what is sent on and stored. */
export interface TraceContext {
  /** 32 lower-case hexadecimal digits, not all zero. */
  readonly traceId: string
  /** 16 lower-case hexadecimal digits, not all zero. */
  readonly spanId: string
  /** Whether the caller exports its part of the trace. */
  readonly isSampled: boolean
  /** `tracestate`, passed on as it came; empty for none. */
  readonly state: string
}

const pattern = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const sampled = 1

/**
 * Reads `traceparent` and `tracestate` by the rules of W3C Trace Context (§3.2, §3.3). Undefined
 * for what is malformed: upper case, a wrong length, a field of zeros, version `ff`, more than one
 * header. A version of the future is read as far as this one goes, a `tracestate` that is malformed
 * is dropped.
 */
export function parseTraceContext(
  traceparent: string | undefined,
  tracestate?: string | undefined,
): TraceContext | undefined {
  if (traceparent === undefined || traceparent.length > lengthMax) return undefined
  const [, version, traceId = '', spanId = '', flags = '', beyond] = pattern.exec(traceparent) ?? []
  if (version === undefined || version === 'ff') return undefined
  // What a later version adds stands behind these fields; this one has nothing there.
  if (version === '00' && beyond !== undefined) return undefined
  if (isZero(traceId) || isZero(spanId)) return undefined
  const isSampled = (Number.parseInt(flags, 16) & sampled) === sampled
  return { traceId, spanId, isSampled, state: parseTraceState(tracestate) }
}

/** Characters from which on a `traceparent` is not looked at: that of this version has 55. */
const lengthMax = 256

function isZero(digits: string): boolean {
  return /^0+$/.test(digits)
}

/** Most characters of a `tracestate` that are passed on, and most of its members (§3.3.1). */
const stateLengthMax = 512
const stateMembersMax = 32

const simpleKey = '[a-z0-9][a-z0-9_*/-]{0,255}'
const tenantKey = '[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13}'
const memberPattern = new RegExp(`^(?:${simpleKey}|${tenantKey})=[ -+\\--<>-~]{0,255}[!-+\\--<>-~]$`)

/** As much of a `tracestate` as is passed on; empty where it is malformed. */
function parseTraceState(text: string | undefined): string {
  if (text === undefined || text.length > 16 * stateLengthMax) return ''
  const members = text
    .split(',')
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ''))
    .filter((member) => member !== '')
  const keys = new Set(members.map((member) => member.slice(0, member.indexOf('='))))
  const isWell = members.length <= stateMembersMax && keys.size === members.length
  if (!isWell || !members.every((member) => memberPattern.test(member))) return ''
  // The newest stand first: what does not fit is cut from the end, never within a member.
  while (members.join().length > stateLengthMax) members.pop()
  return members.join()
}

/** Whether a text is the id of a trace. */
export function isTraceId(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text) && !isZero(text)
}

/** The headers for a program that this span asks. */
export function traceHeaders(context: TraceContext): Readonly<Record<string, string>> {
  const { state } = context
  return { traceparent: formatTraceparent(context), ...(state !== '' && { tracestate: state }) }
}

/** The text of `traceparent`. */
export function formatTraceparent({ traceId, spanId, isSampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-0${isSampled ? sampled : 0}`
}

/** The id of a trace that is exported; undefined for none. */
export function sampledId(context: TraceContext | undefined): string | undefined {
  return context?.isSampled === true ? context.traceId : undefined
}
