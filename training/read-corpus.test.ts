import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Corpus } from './corpora.ts'
import { readExamples } from './examples.ts'
import { checkDataFolder, readCorpus } from './read-corpus.ts'

const train: Corpus = { name: 'train', use: 'train', weight: 1, isPermissive: true }
const test: Corpus = { name: 'test', use: 'test', weight: 0, isPermissive: true }
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'modelward-corpus-'))
})

afterEach(() => {
  rmSync(folder, { recursive: true })
})

function write(corpus: Corpus, content: string): void {
  writeFileSync(join(folder, `${corpus.name}.jsonl.gz`), gzipSync(content))
}

describe('the data folder', () => {
  it('is refused by name when absent', () => {
    expect(() => checkDataFolder(join(folder, 'none'), [train])).toThrow(/none, which is absent.*model-card/)
  })

  it('is refused when it is a file', () => {
    writeFileSync(join(folder, 'file'), '')
    expect(() => checkDataFolder(join(folder, 'file'), [train])).toThrow(/which is a file/)
  })

  it('is refused naming every absent corpus', () => {
    write(train, '')
    expect(() => checkDataFolder(folder, [train, test, { ...test, name: 'more' }])).toThrow(
      /2 of 3 files are absent: test.jsonl.gz, more.jsonl.gz/,
    )
  })

  it('passes when whole', () => {
    write(train, '')
    mkdirSync(join(folder, 'something else'))
    expect(() => checkDataFolder(folder, [train])).not.toThrow()
  })
})

describe('readCorpus', () => {
  it('reads texts and labels', () => {
    write(train, '{"t":"good","y":2}\n{"t":"so\\nso","y":1,"v":0.1}\n')
    expect(readCorpus(folder, train)).toEqual([
      { text: 'good', label: 2 },
      { text: 'so\nso', label: 1 },
    ])
  })

  it.each([
    ['no JSON', 'good 2'],
    ['no text', '{"y":2}'],
    ['an unknown label', '{"t":"good","y":3}'],
    ['null', 'null'],
  ])('names file and line of %s', (_, line) => {
    write(train, `{"t":"good","y":2}\n${line}\n`)
    expect(() => readCorpus(folder, train)).toThrow(/train.jsonl.gz:2: expected/)
  })

  it('says which file is no gzip', () => {
    writeFileSync(join(folder, 'train.jsonl.gz'), 'plain')
    expect(() => readCorpus(folder, train)).toThrow(/train.jsonl.gz: cannot be read as a gzip file/)
  })
})

describe('readExamples', () => {
  it('never trains on a text that is held out, whatever its case and punctuation', () => {
    write(test, '{"t":"A truly wonderful film.","y":2}\n{"t":"great","y":2}\n')
    write(
      train,
      '{"t":"a truly wonderful film","y":2}\n{"t":"great","y":2}\n{"t":"a truly awful film","y":0}\n',
    )
    const { examples, leftOut } = readExamples(folder, [train], [test], 1)
    expect(leftOut).toBe(1)
    expect(examples.map(({ text }) => text).sort()).toEqual(['a truly awful film', 'great'])
  })
})
