import { fileURLToPath } from 'node:url'

export const repositoryFolder: string = fileURLToPath(new URL('..', import.meta.url))
