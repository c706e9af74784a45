import type { EventRow } from '../src/telemetry/event-row.ts'
import { events } from '../src/telemetry/events.ts'

const marks: Readonly<Record<string, string>> = { 'store.unreachable': '¹', 'limiter.unreachable': '²' }

/** `docs/reference/events.md`, from the closed table of operational events. */
export function formatEventsPage(): string {
  return `${intro}\n${Object.entries(events).map(formatEvent).join('\n')}\n`
}

function formatEvent([name, { level, sentence, remedy, fields, explainedBy, isOfRequest }]: [
  string,
  EventRow,
]): string {
  const cells = Object.entries(fields).map(([field, meaning]) => `\`${field}\`: ${meaning}`)
  const ofRequest = isOfRequest === true ? '³' : ''
  return `| \`${name}\`${explainedBy === undefined ? '' : marks[explainedBy]}${ofRequest} | ${level} | ${sentence} | ${cells.join('; ') || '–'} | ${remedy} |`
}

const intro = `# Operational events

<!-- Generated from \`src/telemetry/events.ts\`; \`npm run docs\` writes it again. -->

What an operator should know, as a closed table. The server logs each as a JSON line with \`event\`, \`msg\`, its fields and, where something was thrown, \`err\`.
The library hands each to \`onEvent\`: \`{ name, level, message, fields, cause, requestId, trace }\`.

- **An outage is one event at its start, one a minute with \`since\` and \`attempts\`, and one at its end**, never one a request. What comes and goes
  many times a minute is one pair a minute: its second end is said a minute after its first at the earliest, and until then it is the same outage.
- **A store that is out is one outage, whatever needs it.** In a fleet \`store.unreachable\` speaks for PostgreSQL as a whole, over a folder for its disk: full, failing, or without an answer. Events marked ¹ are then not said.
  A subject that fails while PostgreSQL answers, or for another reason than the disk, has its own, up to 3 s later; one that still fails a minute after \`store.back\` has it then. ² is the same of \`limiter.unreachable\`.
- **Where a row names no step, the server tries again by itself**; what keeps it from getting through is the cause, \`err\`.
- What each request of an outage could bring is said once a minute at most, with how many there were in \`times\`.
- **An event that one request has caused says which**, marked ³: \`request_id\`, which its answer, its record and its own log lines have, and \`trace_id\` and \`span_id\` where it is traced;
  of a job and its webhook those of the request that made it. One that no request has caused, such as a job that an app made by itself, has none, nor has a line that counts several.
  An event without ³ never names one: it is about the process, or about what many requests share, such as a store, the ledger, a model, an upstream or a peer. In the server a request that is answered
  with a 5xx for it has a log line of its own, with its \`request_id\` and \`code\`.

| event | level | what happened | fields | what it means, and what to do |
|---|---|---|---|---|`
