import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encodeOnnx, type OnnxNetwork, type OnnxNode } from './onnx-file.ts'

/** `y = softmax(x · weights + bias)`, rows of x by themselves: two numbers in, three shares out. */
export const softmaxNetwork: OnnxNetwork = {
  nodes: [
    { op: 'MatMul', inputs: ['x', 'weights'], output: 'product' },
    { op: 'Add', inputs: ['product', 'bias'], output: 'sum' },
    { op: 'Softmax', inputs: ['sum'], output: 'y', attributes: { axis: -1 } },
  ],
  inputs: [{ name: 'x', type: 'float', dims: ['rows', 2] }],
  outputs: [{ name: 'y', type: 'float', dims: ['rows', 3] }],
  constants: [
    { name: 'weights', data: Float32Array.of(1, 0, -1, 0, 1, -1), dims: [2, 3] },
    { name: 'bias', data: Float32Array.of(0, 0, 1), dims: [3] },
  ],
}

const words = ['[PAD]', '[UNK]', 'good', 'bad', 'film'] as const

/** What each says for the first label, and for the second. */
const scores = { '[PAD]': [9, 9], '[UNK]': [0, 0], good: [0, 3], bad: [3, 0], film: [0, 0] } as const

/** How wide the layers of a slow classifier are. */
const wordUnits = 256

/**
 * The logits of a text are the sums of its words' scores: `good` speaks for the second label,
 * `bad` for the first. Layers in between take time, and change nothing.
 */
function wordsNetwork(layers: number): OnnxNetwork {
  const square = wordUnits ** 2
  const identity = Float32Array.from({ length: square }, (_, at) => Number(at % (wordUnits + 1) === 0))
  const head = Float32Array.from({ length: wordUnits * 2 }, (_, at) => Number(at === 0 || at === 3))
  const table = words.flatMap((word) => [...scores[word], ...new Array<number>(wordUnits - 2).fill(0)])
  const passed = Array.from({ length: layers }, (_, layer): readonly OnnxNode[] => [
    { op: 'MatMul', inputs: [`rows${layer}`, 'identity'], output: `product${layer}` },
    { op: 'Relu', inputs: [`product${layer}`], output: `rows${layer + 1}` },
  ])
  return {
    nodes: [
      { op: 'Gather', inputs: ['table', 'input_ids'], output: 'rows0', attributes: { axis: 0 } },
      ...passed.flat(),
      { op: 'MatMul', inputs: [`rows${layers}`, 'head'], output: 'scores' },
      { op: 'Cast', inputs: ['attention_mask'], output: 'mask', attributes: { to: 1 } },
      { op: 'Unsqueeze', inputs: ['mask', 'last'], output: 'column' },
      { op: 'Mul', inputs: ['scores', 'column'], output: 'masked' },
      { op: 'ReduceSum', inputs: ['masked', 'middle'], output: 'logits', attributes: { keepdims: 0 } },
    ],
    inputs: [
      { name: 'input_ids', type: 'int64', dims: ['texts', 'words'] },
      { name: 'attention_mask', type: 'int64', dims: ['texts', 'words'] },
    ],
    outputs: [{ name: 'logits', type: 'float', dims: ['texts', 2] }],
    constants: [
      { name: 'table', data: Float32Array.from(table), dims: [words.length, wordUnits] },
      ...(layers === 0 ? [] : [{ name: 'identity', data: identity, dims: [wordUnits, wordUnits] }]),
      { name: 'head', data: head, dims: [wordUnits, 2] },
      { name: 'last', data: BigInt64Array.of(2n), dims: [1] },
      { name: 'middle', data: BigInt64Array.of(1n), dims: [1] },
    ],
  }
}

/**
 * Writes a whole text classifier as transformers.js reads it from a local folder; its words are
 * `good`, `bad` and `film`.
 *
 * @param wordsMax what is longer is cut off
 * @param layers of 256 units; with 64 a word takes some 0.13 ms
 */
export function writeTextClassifier(folder: string, wordsMax = 64, layers = 0): void {
  const write = (name: string, content: object) => writeFileSync(join(folder, name), JSON.stringify(content))
  mkdirSync(join(folder, 'onnx'), { recursive: true })
  writeFileSync(join(folder, 'onnx/model.onnx'), encodeOnnx(wordsNetwork(layers)))
  write('config.json', {
    model_type: 'bert',
    architectures: ['BertForSequenceClassification'],
    id2label: { 0: 'NEGATIVE', 1: 'POSITIVE' },
    label2id: { NEGATIVE: 0, POSITIVE: 1 },
    pad_token_id: 0,
    vocab_size: words.length,
  })
  write('tokenizer_config.json', {
    tokenizer_class: 'PreTrainedTokenizerFast',
    model_max_length: wordsMax,
    pad_token: '[PAD]',
    unk_token: '[UNK]',
  })
  write('tokenizer.json', {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: ['[PAD]', '[UNK]'].map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: { type: 'Lowercase' },
    pre_tokenizer: { type: 'Whitespace' },
    post_processor: null,
    decoder: null,
    model: {
      type: 'WordLevel',
      vocab: Object.fromEntries(words.map((word, id) => [word, id])),
      unk_token: '[UNK]',
    },
  })
}

/**
 * Layers of `units` × `units` weights and a ReLU each: a network on which a batch gains, because
 * one pass over the weights serves all its rows.
 */
export function denseNetwork(units: number, layers: number): OnnxNetwork {
  const names = Array.from({ length: layers }, (_, layer) => `weights${layer}`)
  return {
    nodes: names.flatMap((name, layer) => [
      { op: 'MatMul', inputs: [layer === 0 ? 'x' : `active${layer - 1}`, name], output: `product${layer}` },
      { op: 'Relu', inputs: [`product${layer}`], output: layer === layers - 1 ? 'y' : `active${layer}` },
    ]),
    inputs: [{ name: 'x', type: 'float', dims: ['rows', units] }],
    outputs: [{ name: 'y', type: 'float', dims: ['rows', units] }],
    constants: names.map((name, layer) => ({
      name,
      data: Float32Array.from({ length: units * units }, (_, at) => Math.sin(at * 7 + layer) / units),
      dims: [units, units],
    })),
  }
}
