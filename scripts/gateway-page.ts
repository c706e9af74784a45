import { readUpstream, type UpstreamInput } from '../src/config/gateway/read-upstream.ts'
import { Fault, type FaultCode, faults } from '../src/core/fault.ts'
import { Refusal, type RefusalCode, refusals } from '../src/core/refusal.ts'
import type { EndReason } from '../src/gateway/call/call-end.ts'
import type { UsageSource } from '../src/gateway/call/charge.ts'
import { brokenStream } from '../src/gateway/dialects/broken-stream.ts'
import { problemIn } from '../src/gateway/dialects/problem-in.ts'
import type { UpstreamTimeouts } from '../src/gateway/gateway-settings.ts'
import type {
  AnswerForm,
  ClosedField,
  Dialect,
  OpenTypes,
  OutputBound,
  Preset,
  PresetRoute,
} from '../src/gateway/presets/preset.ts'
import { presets } from '../src/gateway/presets/presets.ts'
import {
  conclusion,
  intro,
  introOfBroken,
  introOfErrors,
  introOfRecords,
  introOfUpstreams,
} from './gateway-page-texts.ts'

/** `docs/reference/gateway.md`, from the presets, the dialects and the defaults of an upstream. */
export function formatGatewayPage(): string {
  const parts = [
    intro,
    ...Object.values(presets).map(formatPreset),
    introOfUpstreams,
    formatUpstream(),
    introOfErrors,
    formatDialects(),
    formatCodes(),
    introOfBroken,
    formatBroken(),
    introOfRecords,
    formatMeanings('`usage`', 'what its tokens come from', usageSources),
    formatMeanings('`end`', 'why it ended before its answer was whole', endReasons),
    conclusion,
  ]
  return `${parts.join('\n\n')}\n`
}

function formatPreset({ name, routes, management, closedFields, ...preset }: Preset): string {
  const facts = [
    `- Models: ${preset.models === 'any' ? '`any` that it lists' : '`listed` in `models`'} by default${preset.hasTags ? '; a name without a tag means `:latest`' : ''}.`,
    `- Health: ${preset.health === undefined ? 'by its calls alone' : `\`GET ${preset.health}\``}. Media by URL: ${preset.refusesMediaByUrl ? 'refused but for `data:`' : 'passes'}.`,
  ]
  if (management.length > 0) facts.push(`- 403 \`route_closed\`: ${management.map(codeOf).join(' ')}`)
  if (closedFields.length > 0) facts.push(`- Closed fields: ${closedFields.map(formatField).join(', ')}`)
  const rows = routes.map(formatRoute)
  const table = rows.length === 0 ? ['No route is open but those in `allow`.'] : [routeColumns, ...rows]
  return `### \`${name}\`\n\n${table.join('\n')}\n\n${facts.join('\n')}`
}

const routeColumns = `| route | scope | measures | bound of the answer | stream | errors |
|---|---|---|---|---|---|`

function formatRoute(route: PresetRoute): string {
  const cells = [
    `\`${route.method} ${route.path}\``,
    route.asks === 'its model' ? 'its model’s' : 'any `predict…`',
    route.form === undefined ? 'requests' : 'requests, tokens',
    route.output === undefined ? '–' : formatBound(route.output),
    streamWords[route.streams],
    route.dialect ?? 'RFC 9457',
  ]
  const by = route.answeredBy === 'upstream' ? '' : ' ¹'
  return `| ${cells[0]}${by} | ${cells.slice(1).join(' | ')} |`
}

const streamWords: Readonly<Record<PresetRoute['streams'], string>> = {
  never: '–',
  asked: 'where `stream` is true',
  'unless refused': 'unless `stream` is false',
  always: 'always',
}

function formatBound({ fields, writes, isOpenBelowOne, answers, prompts }: OutputBound): string {
  const named = fields.map((field) => codeOf(field) + (field === writes && fields.length > 1 ? ' ²' : ''))
  const times = answers.map((group) => {
    const names = group.map(codeOf).join(', ')
    return ` × ${group.length > 1 ? `the larger of ${names}` : names}`
  })
  const each = prompts === undefined ? '' : ` × prompts in ${codeOf(prompts)}`
  return `${named.join(', ')}${times.join('')}${each}${isOpenBelowOne ? '; 0 and −1 set no bound' : ''}`
}

function formatField(closed: ClosedField): string {
  const { field, paths, value, isWrittenFalse, isInItems, types } = closed
  const of = paths === undefined ? '' : ` of ${paths.map(codeOf).join(', ')}`
  const where = isInItems === true ? ' in messages and input items' : of
  const written = isWrittenFalse === true ? ' (absent, `false` is written)' : ''
  return `\`${field}${value === undefined ? '' : `: ${value}`}\`${where}${written}${types === undefined ? '' : formatTypes(types)}`
}

function formatTypes({ open, needs = {}, untyped }: OpenTypes): string {
  const needed = Object.entries(needs).map(([type, member]) => `; ${codeOf(type)} has ${codeOf(member)}`)
  const without =
    untyped === undefined ? '' : `; an object without a type has ${untyped.map(codeOf).join(' and ')}`
  return ` (each \`type\` but ${open.map(codeOf).join(', ')}${needed.join('')}${without})`
}

const codeOf = (text: string): string => `\`${text}\``

function formatUpstream(): string {
  const rows = Object.entries(meanings).map(
    ([name, meaning]) => `| \`${name}\` | ${defaultOf(name as keyof UpstreamInput)} | ${meaning} |`,
  )
  return ['| `upstreams.NAME` | default | meaning |', '|---|---|---|', ...rows].join('\n')
}

const defaults = readUpstream('any', { url: 'http://127.0.0.1', preset: 'ollama' })

function defaultOf(name: keyof UpstreamInput): string {
  const { tokens, timeouts, breaker } = defaults
  if (name === 'url' || name === 'preset') return 'none: it must be there'
  if (name === 'models') return 'the preset’s'
  if (name === 'health') return 'the preset’s'
  if (name === 'tokens') return codeOf(JSON.stringify(tokens))
  if (name === 'timeouts') return formatTimes(timeouts)
  if (name === 'breaker')
    return `\`failures\` ${breaker.failures}, \`pause\` ${breaker.pauseMs / 1_000} s, \`pauseMax\` ${breaker.pauseMaxMs / 1_000} s`
  const value: unknown = defaults[name]
  if (value === undefined) return name === 'ca' ? 'the system’s' : 'none'
  return Array.isArray(value) ? 'none' : codeOf(String(value))
}

function formatTimes(times: UpstreamTimeouts): string {
  return Object.entries(times)
    .map(([name, ms]) => `\`${name.replace(/Ms$/, '')}\` ${ms / 1_000} s`)
    .join(', ')
}

const meanings: Readonly<Record<keyof UpstreamInput, string>> = {
  url: 'http or https; a path in it comes before every route. No user, query or fragment. Redirects are never followed.',
  preset: 'one of those above',
  key: '`{"env":NAME}` or `{"file":PATH}`, never the credential itself; a file is read again when it changes',
  keyHeader: 'the header that carries the credential, in place of `Authorization: Bearer`',
  prefix: 'mounts its routes below a path: `/ollama/v1/chat/completions`',
  models:
    '`any`: what it lists itself, asked for and kept for 30 s, under its own names; `listed`: only what `models` of the file names',
  allow:
    'opens routes, method and path letter by letter: `"GET /api/ps"`, or `{"route":"GET /metrics","scope":"metrics"}`. They are forwarded as they are and count requests alone',
  close: 'closes routes that the preset opens',
  allowFields:
    'opens fields that the preset closes, or one type of the objects in `tools` and `input`: `"tools.web_search"`, `"input.item_reference"`',
  tokens:
    'the bound of a call: tokens for each byte of its body, of a chat template, of an answer whose client has set no bound, of an image. Where the bound of a text does not fit, `vllm` and `llama.cpp` are asked for its exact tokens, in 2 s, the calls of an owner one after the other',
  abandoned:
    'what a call is charged whose client left and whose usage the upstream has not said: `estimate` of what was delivered, or all that was `reserved`',
  timeouts:
    'each by itself, whole answers and streams alike: to connect; to the first byte of the answer, all attempts together; between two pieces; of the whole call',
  retries: 'how often the same upstream is asked again, before the first byte of an answer, from 0 to 3',
  breaker:
    'so many failures in a row leave it alone for `pause`, each time twice as long, `pauseMax` at most; then one call tries, and another one each pause while that has no answer',
  health: 'what is asked every 10 s; `null`: nothing',
  connectionsMax: 'calls at once; one more is 503 `overloaded`',
  ca: 'a PEM file with the authorities that are trusted',
}

const dialects: Readonly<Record<Dialect, string>> = {
  openai: 'OpenAI’s',
  anthropic: 'Anthropic’s',
  ollama: 'Ollama’s',
  tgi: 'TGI’s',
}

/** One refusal in each dialect. */
function formatDialects(): string {
  const rows = Object.entries(dialects).map(([dialect, whose]) => {
    const { body } = problemIn(dialect as Dialect, new Refusal('model_not_found'), '…')
    return `| \`${dialect}\` | ${whose} clients | \`${body}\` |`
  })
  return ['| dialect | read by | `model_not_found` |', '|---|---|---|', ...rows].join('\n')
}

/** What a call can be answered with, in the order of `errors.md`. */
const told = [
  ...['key_missing', 'key_invalid', 'key_disabled', 'key_not_yet_valid', 'key_expired', 'key_revoked'],
  ...['address_denied', 'scope_missing', 'route_closed', 'not_found', 'model_not_found'],
  ...['method_not_allowed', 'body_too_large', 'media_type_unsupported', 'input_invalid'],
  ...['rate_limited', 'quota_exhausted', 'concurrency_limited', 'too_many_bad_keys'],
  ...['internal', 'upstream_failed', 'store_unavailable', 'limiter_unavailable', 'ledger_unavailable'],
  ...['upstream_unavailable', 'overloaded', 'upstream_timeout'],
] as readonly (RefusalCode | FaultCode)[]

function formatCodes(): string {
  const rows = told.map((code) => {
    const problem = code in refusals ? new Refusal(code as RefusalCode) : faultOf(code as FaultCode)
    const read = (dialect: Dialect) => {
      const { status, body } = problemIn(dialect, problem, '')
      return { status, said: JSON.parse(body) as { error: { type: string; code: string } } }
    }
    const { status, said } = read('openai')
    return `| \`${code}\` | ${status} | \`${said.error.type}\`, \`${said.error.code}\` | \`${read('anthropic').said.error.type}\` |`
  })
  return ['| code | status | openai `type`, `code` | anthropic `type` |', '|---|---|---|---|', ...rows].join(
    '\n',
  )
}

function faultOf(code: FaultCode): Fault {
  return new Fault(code, faults[code].detail)
}

const forms: Readonly<Record<AnswerForm, string>> = {
  openai: '`[DONE]`',
  responses: '`response.completed`, `response.incomplete`, `response.failed`',
  anthropic: '`message_stop`',
  ollama: '`"done":true`',
  tgi: 'an event with `generated_text`',
  'llama.cpp': '`"stop":true`',
}

/** What is said in a stream that broke, in each form. */
function formatBroken(): string {
  const rows = Object.entries(forms).map(([form, end]) => {
    const said = String(brokenStream(form as AnswerForm, faultOf('upstream_failed')))
    const lines = said.split('\n').filter((line) => line !== '')
    return `| ${form} | ${end} | ${lines.map(codeOf).join(' ')} |`
  })
  return ['| form | its end | in a stream that broke |', '|---|---|---|', ...rows].join('\n')
}

const usageSources: Readonly<Record<UsageSource, string>> = {
  upstream: 'the upstream said it',
  estimated: 'the upstream did not say it, or not all of it: estimated, never above the reservation',
  reserved: 'all that was reserved',
  none: 'no answer, or a refusal of the upstream: no tokens',
}

const endReasons: Readonly<Record<EndReason, string>> = {
  client: 'the client left',
  upstream: 'the upstream broke off, or said itself that it failed',
  idle: 'nothing came for `timeouts.idle`',
  total: 'it took longer than `timeouts.total`',
  overran: 'more pieces of text came than its output bound has tokens',
  revoked: 'its key was revoked or disabled',
  shutdown: 'the server closed, and its grace was over',
  ledger: 'its end could not be recorded at the time',
}

function formatMeanings(title: string, what: string, rows: Readonly<Record<string, string>>): string {
  return [
    `| ${title} | ${what} |`,
    '|---|---|',
    ...Object.entries(rows).map(([name, meaning]) => `| \`${name}\` | ${meaning} |`),
  ].join('\n')
}
