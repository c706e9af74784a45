/** What one check of `doctor` found. */
export interface CheckResult {
  readonly check: string
  readonly status: 'ok' | 'warn' | 'fail'
  readonly message: string
  /** What to do about it. */
  readonly todo?: string
}

export function ok(check: string, message: string): CheckResult {
  return { check, status: 'ok', message }
}

export function warn(check: string, message: string, todo: string): CheckResult {
  return { check, status: 'warn', message, todo }
}

export function fail(check: string, message: string, todo: string): CheckResult {
  return { check, status: 'fail', message, todo }
}
