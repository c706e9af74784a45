import { openModelward, type Ward } from 'modelward'

declare global {
  var modelward: Promise<Ward<true>> | undefined
}

export function openWard(): Promise<Ward<true>> {
  globalThis.modelward ??= openModelward({ data: './modelward-data' }).catch(openAgainLater)
  return globalThis.modelward
}

function openAgainLater(error: unknown): never {
  globalThis.modelward = undefined
  throw error
}
