import { describe, expect, it } from 'vitest'
import { tokenize } from './tokenize.ts'

describe('tokenize', () => {
  it.each([
    ['Good, very GOOD.', ['good', ',', 'very', 'good', '.']],
    ["I can't, won't and don't", ['i', 'can', 'not', ',', 'will', 'not', 'and', 'do', 'not']],
    ['I cannot and dont', ['i', 'can', 'not', 'and', 'do', 'not']],
    ["it ain't bad, it isn't", ['it', 'is', 'not', 'bad', ',', 'it', 'is', 'not']],
    ["it does n't work , it 's bad", ['it', 'does', 'not', 'work', ',', 'it', 'bad']],
    ["it's we're I'd", ['it', 'we', 'i']],
    ['don’t and don`t', ['do', 'not', 'and', 'do', 'not']],
    ['a well-made 1990-2000 film', ['a', 'well', 'made', '1990-2000', 'film']],
    ['sooooo good!!!!', ['soo', 'good', '!!']],
    ['see https://a.example/x?y=1 and www.b.example now', ['see', '<url>', 'and', '<url>', 'now']],
    ['thanks @someone #blessed', ['thanks', '<user>', 'blessed']],
    ['salt &amp; pepper', ['salt', 'pepper']],
    ['nice :-) or :( or xD or <3', ['nice', ':-)', 'or', ':(', 'or', 'xd', 'or', '<3']],
    ['at 8pm, x-rays: xp', ['at', '8pm', ',', 'x', 'rays', ':', 'xp']],
    ['great 😀👍🏽', ['great', '😀', '👍']],
  ])('reads %j', (text, tokens) => {
    expect(tokenize(text)).toEqual(tokens)
  })

  it.each(['', ' \n\t', '\0\0', '\ud800', '你好', '@ #'])('finds no token in %j', (text) => {
    expect(tokenize(text)).toEqual([])
  })

  it('leaves ordinary words that end in nt alone', () => {
    expect(tokenize('a relevant point, I want more')).toEqual([
      'a',
      'relevant',
      'point',
      ',',
      'i',
      'want',
      'more',
    ])
  })

  it('reads a long text at both of its ends and not between', () => {
    const tokens = tokenize(`first ${'a '.repeat(3000)} middle ${'b '.repeat(3000)} last`)
    expect(tokens[0]).toBe('first')
    expect(tokens.at(-1)).toBe('last')
    expect(tokens).not.toContain('middle')
    expect(tokens.length).toBeLessThanOrEqual(4001)
  })
})
