// `node test/reliability/bit-flips.ts [FLIPS] [SEED] [all|keys|jobs]`: one flipped bit in a file of
// a data folder, of all files and of all kinds of places in them, as a clean end and as a kill
// leaves them. The folder is refused, or each answer is the right one, or unavailable; none is ever
// wrong. Exits with 1 where that is not so.
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SetupError } from '../../src/core/setup-error.ts'
import { inspectFolder } from '../../src/storage/sqlite/inspect-folder.ts'
import { temporaryFolder } from '../e2e/run-cli.ts'
import { type Answers, askAll, askKeys, fillFolder, type KeyTexts, openDeployment } from './damaged-folder.ts'
import { isEarlier } from './damaged-jobs.ts'

/** What became of the flips. */
export interface FlipOutcome {
  readonly flips: number
  /** Flips with which the folder was not opened. */
  readonly refused: number
  /** Flips after which an answer was unavailable, or all were right. */
  readonly unavailable: number
  readonly right: number
  /** Where a bit was flipped, and what was wrong then. */
  readonly wrong: readonly string[]
}

/** A random number below a bound; the same ones for the same seed. */
type Random = (below: number) => number

function seededRandom(seed: number): Random {
  let state = seed >>> 0
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const pageBytes = 4_096
const frameBytes = pageBytes + 24

/** Kinds of places in a file, each met as often as the others, whatever its share of the bytes. */
const places: readonly ((size: number, random: Random) => number)[] = [
  (size, random) => random(size),
  // The file's header, or that of a write-ahead log.
  (_size, random) => random(100),
  // A page's header and the pointers to its cells.
  (size, random) => random(Math.ceil(size / pageBytes)) * pageBytes + random(40),
  // Its cells, which it fills from the end.
  (size, random) => (random(Math.ceil(size / pageBytes)) + 1) * pageBytes - 1 - random(1_024),
  // The header of a frame of a log.
  (size, random) => 32 + random(Math.ceil(size / frameBytes)) * frameBytes + random(24),
]

/** Files that hold nothing that is served, or that no process reads. */
const unread = /\.sock$|holder\.json$|server\.lock$|-shm$/

/** What is asked, and of which files bits are flipped. */
export interface FlipRound {
  readonly files: RegExp
  /** @throws SetupError if the folder is refused */
  readonly ask: (data: string, texts: KeyTexts) => Promise<Answers>
}

export const rounds: Readonly<Record<'all' | 'keys' | 'jobs', FlipRound>> = {
  all: { files: /./, ask: askOpened },
  jobs: { files: /^jobs\.db(?:-wal)?$/, ask: askOpened },
  keys: { files: /^(?:modelward\.db(?:-wal)?|pepper)$/, ask: askKeys },
}

/** @param tell how far it is */
export async function flipBits(
  { files, ask }: FlipRound,
  flips: number,
  seed: number,
  tell: (text: string) => void = () => {},
): Promise<FlipOutcome> {
  using temporary = temporaryFolder()
  const folder = temporary.path
  const random = seededRandom(seed)
  const sources = [join(folder, 'closed'), join(folder, 'killed')]
  const texts = await fillFolder(sources[0] ?? '', sources[1] ?? '')
  const truth = await askUndamaged(ask, folder, sources, texts)
  const outcome = { flips, refused: 0, unavailable: 0, right: 0, wrong: [] as string[] }
  for (let flip = 0; flip < flips; flip += 1) {
    const data = copyTo(join(folder, 'flipped'), sources[flip % 2] ?? '')
    const place = flipOne(data, files, random)
    const answers = await askDamaged(ask, data, texts)
    if (answers === undefined) outcome.refused += 1
    else {
      const wrong = await wrongOf(data, place, answers, truth)
      if (wrong.length > 0)
        outcome.wrong.push(`${place}: ${wrong.map((name) => `${name}: ${answers[name]}`).join('; ')}`)
      else if (Object.values(answers).includes('unavailable')) outcome.unavailable += 1
      else outcome.right += 1
    }
    if ((flip + 1) % 50 === 0) tell(`${flip + 1} of ${flips}: ${outcome.wrong.length} wrong`)
  }
  return outcome
}

function copyTo(data: string, source: string): string {
  rmSync(data, { recursive: true, force: true })
  cpSync(source, data, { recursive: true })
  return data
}

/**
 * Questions with wrong answers. Of jobs and limits whose commits stand behind a damaged frame of
 * their log, SQLite knows nothing, and so of records: those are lost, and none is another. What a
 * record or a sum says otherwise, `ledger verify` must find.
 */
async function wrongOf(
  data: string,
  place: string,
  answers: Answers,
  truth: Answers,
): Promise<readonly string[]> {
  const wrong = Object.keys(truth).filter((name) => !['unavailable', truth[name]].includes(answers[name]))
  const unlike = wrong.filter(
    (name) => !(place.includes('.db-wal') && isPart(name, answers[name], truth[name])),
  )
  const unseen = unlike.filter((name) => !['records', 'usage'].includes(name))
  if (unseen.length === unlike.length) return unlike
  // A file that it cannot read is found too: it then ends with 2.
  const verified = inspectFolder(data).ledger.verify({})
  const isFound = await verified.then(
    ({ firstBroken }) => firstBroken !== undefined,
    () => true,
  )
  return isFound ? unseen : unlike
}

const jobQuestions = /^(?:jobs|job \d|others|count|webhook|secret|kept answer)$/

function isPart(name: string, answer = '', all = ''): boolean {
  if (name === 'limits' || name === 'usage') return true
  if (jobQuestions.test(name)) return isEarlier(name, answer, all)
  if (name !== 'records' || !answer.startsWith('[')) return false
  const known = (JSON.parse(all) as unknown[]).map((one) => JSON.stringify(one))
  return (JSON.parse(answer) as unknown[]).every((one) => known.includes(JSON.stringify(one)))
}

/** Both kinds of folder give the same answers. */
async function askUndamaged(
  ask: FlipRound['ask'],
  folder: string,
  sources: readonly string[],
  texts: KeyTexts,
): Promise<Answers> {
  const all: Answers[] = []
  for (const source of sources) all.push(await ask(copyTo(join(folder, 'whole'), source), texts))
  const [first = {}, second = {}] = all
  if (JSON.stringify(first) !== JSON.stringify(second)) throw new Error(JSON.stringify(all, null, 1))
  return first
}

/** Undefined if the folder is refused. */
async function askDamaged(
  ask: FlipRound['ask'],
  data: string,
  texts: KeyTexts,
): Promise<Answers | undefined> {
  try {
    return await ask(data, texts)
  } catch (error) {
    if (error instanceof SetupError) return undefined
    throw error
  }
}

async function askOpened(data: string, texts: KeyTexts): Promise<Answers> {
  const opened = await openDeployment(data)
  try {
    return await askAll(opened, texts)
  } finally {
    await opened.ward.close().catch(() => undefined)
  }
}

function flipOne(data: string, files: RegExp, random: Random): string {
  const names = readdirSync(data).filter((name) => files.test(name) && !unread.test(name))
  for (;;) {
    const name = names[random(names.length)] ?? ''
    const file = join(data, name)
    const bytes = readFileSync(file)
    const at = places[random(places.length)]?.(bytes.length, random) ?? 0
    if (at >= bytes.length) continue
    const bit = random(8)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << bit)
    writeFileSync(file, bytes)
    return `${name}, byte ${at}, bit ${bit}`
  }
}

if (import.meta.main) {
  const [, , flips = 1_000, seed = 1, name = 'all'] = process.argv
  const round = Object.entries(rounds).find(([known]) => known === name)?.[1]
  if (round === undefined) throw new Error(`expected ${Object.keys(rounds).join(', ')}, got ${name}`)
  const outcome = await flipBits(round, Number(flips), Number(seed), (text) => console.error(text))
  console.log(JSON.stringify(outcome, null, 1))
  process.exitCode = outcome.wrong.length === 0 ? 0 : 1
}
