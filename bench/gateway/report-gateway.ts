import type { BenchResult, Target } from '../bench.ts'
import { agreementMax, turnsMin } from '../contest/agreement.ts'
import type { Turn } from '../contest/entrant.ts'
import { type ContestTarget, judgeContest, ratioOf, type TurnsByLoad } from '../contest/judge-contest.ts'
import { formatSpread, spreadOf } from '../statistics.ts'
import type { Table } from '../table.ts'
import type { GatewayMeasured } from './bench-gateway.ts'
import { judgeRow } from './judge-rows.ts'
import type { StreamRound } from './measure-streams.ts'
import type { Side, SideName } from './sides.ts'

const of = 'modelward'
/** Forwards and does nothing else: where its turns are not alike, the machine is busy. */
const bare = 'dispatch'

const wholeTargets: readonly ContestTarget[] = [
  { name: 'whole ÷ node:http and `request()` (0.9 is the floor)', of, against: 'request', least: 1.2 },
  { name: 'whole ÷ node:http and `dispatch`', of, against: bare, least: 0.6 },
  { name: 'whole ÷ Portkey’s gateway', of, against: 'portkey', least: 5 },
]

/** Each row of the promise, with what was measured. */
export function reportGateway(measured: GatewayMeasured): BenchResult {
  const { isPinned, whole, streams, thousand, readers, ends, parts } = measured
  return {
    name: 'gateway',
    tables: [...wholeTables(measured), ...streamTables(measured)],
    targets: [...wholeRows(measured), ...streamRows(measured), ...otherRows(measured)],
    notes: [
      'Median (least–most); a ratio is between turns of the same round. CPU time is that of the measured process, all threads.',
      `A row of speed is judged where ${turnsMin} turns of the bare \`${bare}\` proxy agree within ${agreementMax * 100} % (most less least over the median, without the farthest), and all rounds but one are on one side of the promise; else the machine is busy.`,
      isPinned
        ? 'What is measured runs on core 0; the load and the model server on core 1.'
        : 'Nothing is pinned: `taskset` or a second core is missing, and all share what there is.',
      '`node test/reliability/kill-gateway.ts 500` kills a gateway under 100 streams: no end that a client saw may be lost.',
    ],
    samples: {
      whole: whole && {
        turns: Object.fromEntries(
          [...whole.turns].map(([load, byName]) => [load, Object.fromEntries(byName)]),
        ),
        addedMs: Object.fromEntries(whole.addedMs),
      },
      streams: streams.map((round) => Object.fromEntries(round)),
      ...{ thousand, readers, ends, parts },
    },
  }
}

function wholeTables({ sides, whole }: GatewayMeasured): readonly Table[] {
  if (whole === undefined) return []
  return [...whole.turns].map(([load, byName]) => ({
    title: `Whole answers of 0.6 KB, 64 connections, ${load}`,
    columns: [
      'server',
      'requests/s',
      `÷ ${bare}`,
      'CPU µs/request',
      `÷ ${bare}`,
      'p50 ms',
      'p99 ms',
      'added to p50, one connection, ms',
    ],
    rows: sides.map((side) => {
      const turns = byName.get(side.name) ?? []
      const base = byName.get(bare) ?? []
      if (turns.length === 0) return missingRow(side, 7)
      const shown = (figure: keyof Turn, digits: number) =>
        formatSpread(spreadOf(turns.flatMap((turn) => turn?.[figure] ?? [])), digits)
      const ratio = (figure: keyof Turn) => formatSpread(ratioOf(turns, base, figure), 2)
      return [
        side.describes,
        shown('requestsPerSecond', 0),
        ratio('requestsPerSecond'),
        shown('cpuPerRequest', 0),
        ratio('cpuPerRequest'),
        shown('p50', 2),
        shown('p99', 2),
        formatSpread(spreadOf(whole.addedMs.get(side.name) ?? []), 2),
      ]
    }),
  }))
}

function wholeRows({ whole }: GatewayMeasured): readonly Target[] {
  if (whole === undefined) return []
  return [
    ...wholeTargets.flatMap((target) => judgeContest(target, bare, whole.turns)),
    ...judgeRow({
      name: 'added to p50, one connection, whole',
      unit: 'ms',
      most: 1,
      samples: whole.addedMs.get(of) ?? [],
      steadyBy: requestsOf(whole.turns, bare),
    }),
  ]
}

/** Under the first load. */
function requestsOf(turns: TurnsByLoad, name: SideName): readonly number[] {
  const [first] = turns.values()
  return (first?.get(name) ?? []).flatMap((turn) => turn?.requestsPerSecond ?? [])
}

function streamTables({ sides, streams }: GatewayMeasured): readonly Table[] {
  if (streams.length === 0) return []
  return [
    {
      title: 'Streams',
      columns: [
        'server',
        'added to the first event, ms',
        '50 at once, ms',
        'CPU µs a stream of 100 events',
        `÷ ${bare}`,
      ],
      rows: sides.map((side) => {
        const samples = (figure: keyof StreamRound) => samplesOf(streams, side.name, figure)
        if (samples('cpuPerStream').length === 0) return missingRow(side, 4)
        return [
          side.describes,
          formatSpread(spreadOf(samples('addedToFirstMs')), 2),
          formatSpread(spreadOf(samples('addedToFirstOf50Ms')), 2),
          formatSpread(spreadOf(samples('cpuPerStream')), 0),
          formatSpread(spreadOf(cpuRatios(streams, side.name)), 2),
        ]
      }),
    },
  ]
}

function streamRows({ streams }: GatewayMeasured): readonly Target[] {
  const steadyBy = samplesOf(streams, bare, 'cpuPerStream')
  const row = (name: string, most: number, unit: string, samples: readonly number[]) =>
    judgeRow({ name, unit, most, samples, steadyBy })
  const sooner = streams.flatMap((round) => {
    const [ours, theirs] = [round.get(of), round.get('portkey')]
    return ours && theirs ? theirs.addedToFirstMs - ours.addedToFirstMs : []
  })
  return [
    ...row('added to the first event, p50, one stream', 3, 'ms', samplesOf(streams, of, 'addedToFirstMs')),
    ...row(
      'added to the first event, p50, 50 at once',
      20,
      'ms',
      samplesOf(streams, of, 'addedToFirstOf50Ms'),
    ),
    ...row('CPU of a stream of 100 events ÷ `dispatch`', 1.3, '', cpuRatios(streams, of)),
    // The more the better: judged by its negative, shown as it is.
    ...judgeRow({ name: '', unit: 'ms', most: -20, samples: sooner.map((ms) => -ms), steadyBy }).map(
      ({ isMet }) => ({
        name: 'first event sooner than Portkey’s gateway',
        wanted: '≥ 20 ms',
        measured: `${formatSpread(spreadOf(sooner), 1)} ms`,
        isMet,
      }),
    ),
  ]
}

function otherRows({ thousand, readers, ends, parts }: GatewayMeasured): readonly Target[] {
  const rounds = parts?.rounds ?? []
  const events = rounds.map(({ event }) => event)
  const bodies = rounds.map(({ body }) => body)
  const ofBare = formatSpread(spreadOf(thousand.map(({ dispatch }) => dispatch)), 0)
  return [
    ...judgeRow({
      name: 'framing, counting, taking the usage event out',
      unit: 'µs an event',
      most: 1.5,
      samples: events,
      steadyBy: events,
    }),
    ...judgeRow({
      name: `reading a body of ${((parts?.bytes ?? 0) / 1_000).toFixed(1)} KB`,
      unit: 'µs',
      most: 20,
      samples: bodies,
      steadyBy: bodies,
      digits: 1,
    }),
    ...judgeRow({
      name: `1,000 streams at once, all whole (\`${bare}\`: ${ofBare})`,
      unit: 'KiB each',
      most: 120,
      samples: thousand.map(({ modelward }) => modelward),
      digits: 0,
    }),
    ...judgeRow({
      name: '100 clients that read nothing of 48 MB each',
      unit: 'MiB more',
      most: 100,
      samples: readers,
      digits: 0,
    }),
    ...judgeRow({
      name: 'client’s end to upstream’s end, p99',
      unit: 'ms',
      most: 100,
      samples: ends,
      digits: 1,
    }),
  ]
}

function samplesOf(
  streams: GatewayMeasured['streams'],
  name: SideName,
  figure: keyof StreamRound,
): readonly number[] {
  return streams.flatMap((round) => round.get(name)?.[figure] ?? [])
}

function cpuRatios(streams: GatewayMeasured['streams'], name: SideName): readonly number[] {
  return streams.flatMap((round) => {
    const [ours, base] = [round.get(name), round.get(bare)]
    return ours && base ? ours.cpuPerStream / base.cpuPerStream : []
  })
}

function missingRow({ describes, missing }: Side, columns: number): readonly string[] {
  return [describes, missing ?? 'not measured', ...Array.from({ length: columns - 1 }, () => '')]
}
