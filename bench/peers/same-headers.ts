const { BENCH_HEADERS = '{}' } = process.env

/** Those of Modelward's answer that a bare app is asked to send too; mostly none. */
export const sameHeaders = JSON.parse(BENCH_HEADERS) as Readonly<Record<string, string>>

export const hasSameHeaders: boolean = Object.keys(sameHeaders).length > 0
