import { execFileSync, spawnSync } from 'node:child_process'
import type { Bench } from '../bench.ts'
import { repositoryFolder } from '../repository-folder.ts'
import { formatSpread, type Spread, spreadOf } from '../statistics.ts'

const targetMs = 30

/** What is imported, by the name of its row. */
const programs = {
  'Node itself: `node -e 0`': '0',
  '`modelward`': "import('modelward')",
  '`modelward/web`': "import('modelward/web')",
  '`modelward/hono`': "import('modelward/hono')",
  '`modelward/express`': "import('modelward/express')",
  '`modelward/fastify`': "import('modelward/fastify')",
} as const

type Name = keyof typeof programs
const names = Object.keys(programs) as readonly Name[]
const bare: Name = 'Node itself: `node -e 0`'

/** How long importing the library takes, as it is built, over a Node that imports nothing. */
export const benchImport: Bench = async ({ rounds = 15 }, tell) => {
  tell('building')
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: repositoryFolder, stdio: ['ignore', 2, 2] })
  const samples = new Map(names.map((name) => [name, [] as number[]]))
  // One round that does not count: the files are read from the disk then.
  for (let round = 0; round <= rounds; round += 1) {
    // In turns, so that a machine that is busy for a while is busy for all of them.
    for (const name of names) {
      const ms = timeProgram(programs[name])
      if (round > 0) samples.get(name)?.push(ms)
    }
    if (round > 0) tell(`round ${round} of ${rounds}`)
  }
  return report(samples)
}

/** Milliseconds from the start of a process to its end. */
function timeProgram(program: string): number {
  const startedAt = performance.now()
  const { status, stderr } = spawnSync(process.execPath, ['-e', program], {
    cwd: repositoryFolder,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`node -e "${program}" failed:\n${stderr}`)
  return performance.now() - startedAt
}

function report(samples: ReadonlyMap<Name, readonly number[]>): Awaited<ReturnType<Bench>> {
  const spread = (name: Name): Spread => spreadOf(samples.get(name) ?? [])
  const over = (name: Name): number => spread(name).median - spread(bare).median
  return {
    name: 'import',
    tables: [
      {
        title: 'A process that imports one entry point of the built package, and ends',
        columns: ['', 'ms', 'ms over Node itself'],
        rows: names.map((name) => [
          name,
          formatSpread(spread(name), 1),
          name === bare ? '' : over(name).toFixed(1),
        ]),
      },
    ],
    targets: [
      {
        name: 'importing `modelward`, over Node itself',
        wanted: `≤ ${targetMs} ms`,
        measured: `${over('`modelward`').toFixed(1)} ms`,
        isMet: over('`modelward`') <= targetMs,
      },
    ],
    notes: [
      'Medians (least–most) of processes started in turns; without a compile cache. Over Node itself: the difference of the medians.',
      '`modelward/fastify` loads `fastify-plugin`; the other entry points load no package.',
    ],
    samples: Object.fromEntries(samples),
  }
}
