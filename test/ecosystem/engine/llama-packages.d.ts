// What the engine uses of two packages that only `--ecosystem` installs.

declare module 'node-llama-cpp' {
  /** A token's number in the model's vocabulary. */
  export type Token = number

  export interface LlamaContextSequence {
    readonly evaluate: (
      tokens: readonly Token[],
      options: { readonly temperature: number; readonly seed: number },
    ) => AsyncIterable<Token>
    readonly clearHistory: () => Promise<void>
  }

  export interface LlamaModel {
    readonly tokens: { readonly bos: Token | null; readonly shouldPrependBosToken: boolean }
    readonly fileInfo: {
      readonly metadata: { readonly tokenizer: { readonly chat_template?: string } }
    }
    readonly tokenize: (text: string, specialTokens: boolean) => readonly Token[]
    readonly detokenize: (
      tokens: readonly Token[],
      specialTokens: boolean,
      lastTokens: readonly Token[],
    ) => string
    readonly createContext: (options: {
      readonly contextSize: number
      readonly sequences: number
    }) => Promise<{ readonly getSequence: () => LlamaContextSequence }>
  }

  export function getLlama(options: {
    readonly gpu: false
    readonly build: 'never'
    readonly skipDownload: true
    readonly logLevel: 'error'
    readonly maxThreads: number
  }): Promise<{ readonly loadModel: (options: { readonly modelPath: string }) => Promise<LlamaModel> }>
}

declare module '@huggingface/jinja' {
  export class Template {
    constructor(template: string)
    render(values: Readonly<Record<string, unknown>>): string
  }
}
