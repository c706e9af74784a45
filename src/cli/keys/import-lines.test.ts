import { hash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { readImportedLines } from './import-lines.ts'

const sha256 = (text: string): string => hash('sha256', text)
const read = (text: string) => readImportedLines(text, 'live')

describe('readImportedLines', () => {
  test('reads JSON Lines and one JSON array alike, blank lines and a byte order mark left out', () => {
    const items = [
      { sha256: sha256('a'), name: 'a', limits: ['10/min', '5 concurrent'] },
      { sha256: sha256('b'), name: 'b', expires_at: '2027-01-31T00:00:00Z', environment: 'test' },
    ]
    const lines = read(`\uFEFF${items.map((item) => JSON.stringify(item)).join('\r\n\n')}\n`)
    const array = read(JSON.stringify(items, null, 2))
    expect(lines.faults).toEqual([])
    expect(lines.lines.map(({ key }) => key)).toEqual(array.lines.map(({ key }) => key))
    expect(lines.lines.map(({ where }) => where)).toEqual(['line 1', 'line 3'])
    expect(lines.lines[0]?.key).toMatchObject({ limits: ['10/min', '5 concurrent'] })
    expect(lines.lines[1]?.key).toMatchObject({
      environment: 'test',
      expiresAt: '2027-01-31T00:00:00Z',
      notBefore: null,
    })
  })

  test('names every faulty line with all that is wrong with it, and shows nothing of what it holds', () => {
    const { faults } = read(
      [
        '{"sha256":"hush","name":"a"}',
        JSON.stringify({ sha256: sha256('a'), name: '', scopes: ['BAD'] }),
        JSON.stringify({ sha256: sha256('a'), name: 'a', limits: ['10/min', 'hush'] }),
        JSON.stringify({ sha256: sha256('a'), name: 'a', limits: 'hush' }),
        'hush',
        JSON.stringify({ sha256: sha256('b'), name: 'b', key: 'hush' }),
        JSON.stringify({ sha256: sha256('c'), name: 'c', expires_at: '2027-02-30' }),
        JSON.stringify({ sha256: sha256('d'), name: 'd' }),
        JSON.stringify({ sha256: Buffer.from(sha256('d'), 'hex').toString('base64'), name: 'e' }),
      ].join('\n'),
    )
    expect(faults.map(({ where, message }) => `${where}: ${message}`)).toEqual([
      expect.stringMatching(/^line 1: sha256: expected the SHA-256/),
      expect.stringMatching(/^line 2: name: /),
      expect.stringMatching(/^line 2: scopes.0: /),
      expect.stringMatching(/^line 3: limits.1: expected a limit such as/),
      'line 4: limits: expected an array of limits, or null',
      'line 5: expected a JSON object',
      expect.stringMatching(/^line 6: fields that mean nothing: key; give the key’s sha256/),
      expect.stringMatching(/^line 7: expires_at: expected a time/),
      'line 9: sha256: the same key as line 8',
    ])
    expect(JSON.stringify(faults)).not.toContain('hush')
  })
})
