import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { corpora } from './corpora.ts'

const card = readFileSync(new URL('../docs/model-card.md', import.meta.url), 'utf8')
const weights = readFileSync(new URL('../src/models/sentiment/weights.bin', import.meta.url))

it('the model card is about the weights that are shipped', () => {
  expect(card).toContain(createHash('sha256').update(weights).digest('hex'))
  expect(card).toContain(`${weights.length.toLocaleString('en')} bytes`)
})

it('the model card names every corpus with its use', () => {
  const rows = card.split('\n').filter((line) => /^\| (train|choose|test) \|/.test(line))
  for (const { name, use } of corpora) {
    expect(
      rows.some((row) => row.startsWith(`| ${use} |`) && row.includes(`\`${name}\``)),
      name,
    ).toBe(true)
  }
})

it('the model card says what the weights are and are not', () => {
  expect(card.replaceAll(/\s+/g, ' ')).toContain(
    'Weights are statistics learned from the corpora listed in this model card; no corpus text is shipped; the corpora keep their own terms.',
  )
})
