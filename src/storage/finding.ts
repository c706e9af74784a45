import type { StorageFinding } from './storage.ts'

export const ok = (check: string, message: string): StorageFinding => ({ check, status: 'ok', message })

/** @param todo what to do about it */
export const warn = (check: string, message: string, todo: string): StorageFinding => {
  return { check, status: 'warn', message, todo }
}

/** @param todo what to do about it, where the message does not say so */
export const fail = (check: string, message: string, todo?: string): StorageFinding => {
  return { check, status: 'fail', message, todo }
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
