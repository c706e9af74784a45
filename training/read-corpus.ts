import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { Corpus } from './corpora.ts'

/** 0 negative, 1 neutral, 2 positive. */
export type Label = 0 | 1 | 2

/** One labelled text. */
export interface LabelledText {
  readonly text: string
  readonly label: Label
}

/** The data folder or a file in it is invalid. The message is for the user of the program. */
export class CorpusError extends Error {
  override readonly name = 'CorpusError'
}

/** Refuses, naming all missing files, unless the folder has a file for every corpus. */
export function checkDataFolder(folder: string, wanted: readonly Corpus[]): void {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) {
    throw new CorpusError(
      `data folder: expected a folder, got ${folder}, which is ${existsSync(folder) ? 'a file' : 'absent'}. ` +
        'The corpora are not part of this project; docs/model-card.md names them.',
    )
  }
  const absent = wanted.filter((corpus) => !existsSync(pathOf(folder, corpus)))
  if (absent.length > 0) {
    const names = absent.map((corpus) => `${corpus.name}.jsonl.gz`).join(', ')
    throw new CorpusError(
      `data folder ${folder}: ${absent.length} of ${wanted.length} files are absent: ${names}`,
    )
  }
}

/** Reads one corpus: gzip, one `{"t": text, "y": 0 | 1 | 2}` a line. */
export function readCorpus(folder: string, corpus: Corpus): LabelledText[] {
  const path = pathOf(folder, corpus)
  let content: string
  try {
    content = gunzipSync(readFileSync(path)).toString('utf8')
  } catch (cause) {
    throw new CorpusError(`${path}: cannot be read as a gzip file`, { cause })
  }
  const lines = content.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines.map((line, index) => parseLine(line, `${path}:${index + 1}`))
}

/** Letters and digits alone: what two copies of one text share when case and punctuation differ. */
export function textIdentity(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9]/g, '')
}

function pathOf(folder: string, corpus: Corpus): string {
  return join(folder, `${corpus.name}.jsonl.gz`)
}

function parseLine(line: string, where: string): LabelledText {
  let row: unknown
  try {
    row = JSON.parse(line)
  } catch (cause) {
    throw new CorpusError(`${where}: expected one JSON object a line`, { cause })
  }
  const { t: text, y: label } = (row ?? {}) as { t?: unknown; y?: unknown }
  if (typeof text !== 'string' || (label !== 0 && label !== 1 && label !== 2)) {
    throw new CorpusError(`${where}: expected {"t": text, "y": 0 | 1 | 2}, got ${line.slice(0, 80)}`)
  }
  return { text, label }
}
