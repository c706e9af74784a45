import type { Command } from 'commander'

/** A command as `--help` lists it. Its own file is loaded only when it runs: `keys create` must not wait for the server. */
export interface CommandEntry {
  /** Its words, such as `keys create`. */
  readonly path: string
  readonly summary: string
  /** Gives what adds arguments, options and action. */
  readonly load: () => Promise<(command: Command) => void>
}

export const commandIndex: readonly CommandEntry[] = [
  {
    path: 'serve',
    summary: 'Serve the model behind the guard',
    load: async () => (await import('./serve.ts')).defineServe,
  },
  {
    path: 'keys create',
    summary: 'Create a key and print it, once',
    load: async () => (await import('./keys-create.ts')).defineKeysCreate,
  },
]

/** Commands that others are grouped under. */
export const commandGroups: Readonly<Record<string, string>> = {
  keys: 'Create, list, show and change keys',
  config: 'See what is configured',
}
