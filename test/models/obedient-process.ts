// The same model, in a process.
import { model as threaded } from './obedient-model.ts'

export const model = { ...threaded, runs: 'process' as const }
