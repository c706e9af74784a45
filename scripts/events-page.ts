import type { EventRow } from '../src/telemetry/event-row.ts'
import { events } from '../src/telemetry/events.ts'

/** `docs/reference/events.md`, from the closed table of operational events. */
export function formatEventsPage(): string {
  return `${intro}\n${Object.entries(events).map(formatEvent).join('\n')}\n`
}

function formatEvent([name, { level, sentence, remedy, fields }]: [string, EventRow]): string {
  const cells = Object.entries(fields).map(([field, meaning]) => `\`${field}\`: ${meaning}`)
  return `| \`${name}\` | ${level} | ${sentence} | ${cells.join('; ') || '–'} | ${remedy} |`
}

const intro = `# Operational events

<!-- Generated from \`src/telemetry/events.ts\`; \`npm run docs\` writes it again. -->

What an operator should know, as a closed table. The server logs each as a JSON line with \`event\`, \`msg\`, its fields and, where something was thrown, \`err\`.
The library hands each to \`onEvent\`: \`{ name, level, message, fields, cause }\`. An outage is one event at its start, one a minute with
\`since\`, and one at its end, never one a request; and what each request of an outage could bring is said once a minute at most, with how many there were in \`times\`.

| event | level | what happened | fields | what it means, and what to do |
|---|---|---|---|---|`
