import { type GgufTensor, writeGguf } from './write-gguf.ts'

const layers = 2
const width = 32
const heads = 2
const keyHeads = 1
const inner = 64
const headWidth = width / heads

/** Kinds of tokens, as llama.cpp numbers them. */
const kinds = { normal: 1, unknown: 2, control: 3, byte: 6 } as const

interface Token {
  readonly text: string
  readonly kind: keyof typeof kinds
}

/** `▁` stands for a space. A piece has four bytes at most, as tokens of English have on average. */
const words = ['the', 'why', 'sky', 'is', 'of', 'and', 'to', 'in', 'it', 'for', 'how', 'you', 'an', 'not']
const ends = ['er', 'ing', 'ed', 'ue', 'bl', 'th', 'sh', 'ou', 'ai', 'en', 'es', 'ly', 'on', 're', 'in']
const letters = [...'▁abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,?!\'"-:()éüß世界']

const vocabulary: readonly Token[] = [
  { text: '<unk>', kind: 'unknown' },
  { text: '<s>', kind: 'control' },
  { text: '</s>', kind: 'control' },
  ...['system', 'user', 'assistant'].map((role): Token => ({ text: `<|${role}|>`, kind: 'control' })),
  ...Array.from({ length: 256 }, (_, byte): Token => {
    const hex = byte.toString(16).toUpperCase().padStart(2, '0')
    return { text: `<0x${hex}>`, kind: 'byte' }
  }),
  // Two symbols merge only into one that the vocabulary has: so each piece has its beginnings.
  ...[...new Set([...letters, ...[...words.map((word) => `▁${word}`), ...ends].flatMap(beginningsOf)])].map(
    (text): Token => ({ text, kind: 'normal' }),
  ),
]

const template = [
  '{% for message in messages %}<|{{ message.role }}|>\n{{ message.content }}</s>\n{% endfor %}',
  '{% if add_generation_prompt %}<|assistant|>\n{% endif %}',
].join('')

/**
 * A llama of 50,000 random parameters with a vocabulary of its own, SentencePiece with bytes: real
 * to whatever loads it, and what it says means nothing. The same bytes every time.
 *
 * It says what is text, and next to never a byte or its end: it goes on until it is stopped.
 *
 * @param contextTokens how many tokens it says that it was trained on
 */
export function writeRandomLlama(contextTokens: number): Buffer {
  return writeGguf(
    {
      'general.architecture': { string: 'llama' },
      'general.name': { string: 'random llama' },
      'llama.vocab_size': { uint32: vocabulary.length },
      'llama.context_length': { uint32: contextTokens },
      'llama.embedding_length': { uint32: width },
      'llama.block_count': { uint32: layers },
      'llama.feed_forward_length': { uint32: inner },
      'llama.rope.dimension_count': { uint32: headWidth },
      'llama.attention.head_count': { uint32: heads },
      'llama.attention.head_count_kv': { uint32: keyHeads },
      'llama.attention.layer_norm_rms_epsilon': { float32: 1e-5 },
      'tokenizer.ggml.model': { string: 'llama' },
      'tokenizer.ggml.tokens': { strings: vocabulary.map(({ text }) => text) },
      'tokenizer.ggml.scores': { floats: vocabulary.map((_, at) => -at) },
      'tokenizer.ggml.token_type': { ints: vocabulary.map(({ kind }) => kinds[kind]) },
      'tokenizer.ggml.unknown_token_id': { uint32: 0 },
      'tokenizer.ggml.bos_token_id': { uint32: 1 },
      'tokenizer.ggml.eos_token_id': { uint32: 2 },
      'tokenizer.chat_template': { string: template },
    },
    tensorsOf(createRandom(1)),
  )
}

function tensorsOf(random: () => number): readonly GgufTensor[] {
  const matrix = (name: string, from: number, to: number): GgufTensor => {
    const scale = Math.sqrt(1 / from)
    return {
      name,
      shape: [from, to],
      values: Float32Array.from({ length: from * to }, () => scale * random()),
    }
  }
  const norm = (name: string): GgufTensor => ({
    name,
    shape: [width],
    values: new Float32Array(width).fill(1),
  })
  return [
    matrix('token_embd.weight', width, vocabulary.length),
    ...Array.from({ length: layers }, (_, layer) => `blk.${layer}`).flatMap((layer) => [
      norm(`${layer}.attn_norm.weight`),
      matrix(`${layer}.attn_q.weight`, width, width),
      matrix(`${layer}.attn_k.weight`, width, keyHeads * headWidth),
      matrix(`${layer}.attn_v.weight`, width, keyHeads * headWidth),
      matrix(`${layer}.attn_output.weight`, width, width),
      norm(`${layer}.ffn_norm.weight`),
      matrix(`${layer}.ffn_gate.weight`, width, inner),
      matrix(`${layer}.ffn_up.weight`, width, inner),
      matrix(`${layer}.ffn_down.weight`, inner, width),
    ]),
    norm('output_norm.weight'),
    {
      name: 'output.weight',
      shape: [width, vocabulary.length],
      // A row of noughts is a token with a logit of 0, where those of text reach some 15.
      values: Float32Array.from(
        vocabulary.flatMap(({ kind }) =>
          Array.from({ length: width }, () => (kind === 'normal' ? random() : 0)),
        ),
      ),
    },
  ]
}

function beginningsOf(piece: string): readonly string[] {
  const symbols = [...piece]
  return symbols.map((_, at) => symbols.slice(0, at + 1).join(''))
}

/** Nearly normal numbers, by additions alone: other machines and versions make the same. */
function createRandom(seed: number): () => number {
  let state = seed
  const uniform = (): number => {
    // https://en.wikipedia.org/wiki/Xorshift
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
  return () => {
    let sum = -6
    for (let at = 0; at < 12; at += 1) sum += uniform()
    return sum
  }
}
